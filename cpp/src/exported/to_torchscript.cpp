#include <torchship/convert.h>

#include <set>
#include <sstream>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/error.h>

#include "archive/open_source.h"
#include "archive/recognise.h"
#include "exported/exported_file.h"
#include "graphs/visit.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Nodes of ours stand for what TorchScript's text has no words for.
void require_portable(const jit::Module& module, const std::string& name) {
  std::set<std::string> found;
  for_each_node(*module.get_method("forward").graph()->block(), [&](jit::Node* node) {
    const std::string kind = node->kind().toQualString();
    if (!kind.starts_with("torchship::")) return;
    const auto which = c10::Symbol::attr("operator_name");
    found.insert(node->hasAttribute(which) ? node->s(which) : "a number taken for a tensor");
  });
  if (found.empty()) return;
  std::string names;
  for (const std::string& each : found) names += (names.empty() ? "" : ", ") + each;
  throw EngineError(name + ": TorchScript cannot say which overload is meant of: " + names,
                    "torchship runs the exported program as it is");
}

}  // namespace

std::string to_torchscript(const Source& program) {
  const std::shared_ptr<const File> file = open_source(program, File::Access::map);
  require_zip(*file);
  ZipReader zip(file);
  if (!ProgramArchive::recognises(zip)) {
    throw ArchiveError(file->path().string() + ": is no exported program",
                       "torch.export.save and torchship.trace(..., via=\"export\") write such files");
  }
  const ExportedFile exported(std::move(zip));
  try {
    const at::NoGradGuard no_grad;
    const jit::Module module = exported.lower(exported.info(), at::kCPU);
    require_portable(module, exported.name());
    std::ostringstream bytes;
    module.save(bytes);
    return std::move(bytes).str();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw EngineError(exported.name() + ": cannot be written as TorchScript: " +
                      explain(error).text);
  }
}

}  // namespace torchship
