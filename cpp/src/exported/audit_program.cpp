#include "exported/audit_program.h"

#include <algorithm>
#include <array>
#include <set>

#include <torch/csrc/jit/api/module.h>
#include <torchship/error.h>

#include "audit/audit.h"
#include "audit/operator_names.h"
#include "exported/lower_program.h"
#include "exported/lowering/lowering.h"
#include "exported/torch_save.h"
#include "exported/walk.h"
#include "torchscript/message.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

using namespace std::string_view_literals;

/// Graphs inside graphs, which lowering turns into branches and loops.
constexpr std::array kControl = {
    "higher_order::cond"sv,         "higher_order::while_loop"sv,  "higher_order::map_impl"sv,
    "higher_order::scan"sv,         "higher_order::invoke_subgraph"sv,
    "higher_order::strict_mode"sv,  "higher_order::hints_wrapper"sv,
    "higher_order::wrap_with_set_grad_enabled"sv, "higher_order::wrap_with_autocast"sv};

bool is_control(const std::string& target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  std::string name = target.substr(std::min(kPrefix.size(), target.size()));
  if (const std::size_t dot = name.find('.'); dot != std::string::npos) name.replace(dot, 1, "::");
  return std::find(kControl.begin(), kControl.end(), name) != kControl.end();
}

/// Arithmetic of Python that lowering has an operator for.
bool is_arithmetic(const std::string& target) {
  return target.starts_with("_operator.") || target.starts_with("math.") ||
         target.starts_with("torch.sym_") || target.starts_with("torch._sym_");
}

void audit_targets(const ExportedProgram& program, const std::string& place, AuditReport& report) {
  std::set<std::string> seen;
  for_each_node(program.graph, [&](const ExportedNode& node) {
    const std::string& called = called_target(node);
    if (!seen.insert(called).second || is_control(called) || is_arithmetic(called)) return;
    const std::optional<OperatorTarget> target = parse_target(called);
    if (target && may_be_called(target->name, target->overload)) return;
    const std::string name = target ? target->name : called;
    Finding& found = report.error("audit-operator", place, operator_message(name),
                                  operator_hint(name));
    UserLine line = python_line(node.stack_trace);
    found.file = std::move(line.file);
    found.line = line.line;
    found.source = std::move(line.text);
  });
}

/// What torch.save needs to write plain tensors.
bool is_harmless(const std::string& global) {
  return global.starts_with("torch._utils _rebuild") ||
         (global.starts_with("torch ") && global.ends_with("Storage")) ||
         global == "collections OrderedDict" || global == "torch._tensor _rebuild_from_type_v2" ||
         global == "torch.nn.parameter Parameter" || global == "torch device" ||
         global == "torch Size";
}

/// torch.export.load unpickles these, torchship does not.
void audit_pickle(const ProgramArchive& archive, const ZipEntry& entry, AuditReport& report) {
  const std::string name = entry.name.substr(archive.folder().size());
  const TorchSaveFile file(archive.zip(), entry);
  const Pickle& pickle = file.pickle();
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    if (pickle[i].type != Pickle::Type::global || is_harmless(pickle[i].text)) continue;
    report.error("audit-pickle", name,
                 "the pickle names " + pickle[i].text + ", which torch.export.load may call",
                 "do not use it: tensors need no such thing");
    return;
  }
}

void audit_pickles(const ProgramArchive& archive, AuditReport& report) {
  for (const ZipEntry& entry : archive.zip().entries()) {
    const std::string name = entry.name.substr(archive.folder().size());
    if (name.ends_with(".pt") && entry.size > 0) audit_pickle(archive, entry, report);
    if (name.find("custom_obj_") != std::string::npos ||
        name.find("opaque_obj_") != std::string::npos) {
      report.error("audit-pickle", name,
                   "the record is a pickled object, which torch.export.load makes, running code "
                   "that it names",
                   "do not use it unless you trust its source; torchship does not read it");
    }
  }
}

/// Sizes and loops are seen in LibTorch's graph, which needs no weights.
void audit_graph(const ProgramArchive& archive, const ExportedProgram& program,
                 const ProgramBoundary& boundary, const StoredTensors& tensors,
                 AuditReport& report) {
  const std::string place = archive.program_place().substr(archive.name().size() + 2);
  try {
    const torch::jit::Module module =
        lower_without_weights(program, boundary, tensors, archive.program_place());
    audit_sizes(*module.get_method("forward").graph()->block(), place, report);
  } catch (const Error& error) {
    report.error("audit-unjudged", place, "it cannot be judged: " + error.message(),
                 "load the library with its operators (operator_libraries), if you trust it");
  } catch (const std::exception& error) {
    report.error("audit-unjudged", place, "it cannot be judged: " + explain(error).text,
                 "do not load it unless you trust its source");
  }
}

}  // namespace

AuditReport audit_program(const ProgramArchive& archive, const ExportedProgram& program,
                          const ProgramBoundary& boundary, const StoredTensors& tensors) {
  AuditReport report;
  audit_zip(archive.zip(), report);
  if (!report.is_readable()) return report;
  audit_records(archive.zip(), archive.folder(), report);
  audit_pickles(archive, report);
  audit_targets(program, archive.program_place().substr(archive.name().size() + 2), report);
  if (!report.has_errors()) audit_graph(archive, program, boundary, tensors, report);
  return report;
}

}  // namespace torchship
