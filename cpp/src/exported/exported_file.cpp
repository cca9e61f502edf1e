#include "exported/exported_file.h"

#include <torchship/error.h>

#include "engines/interpreter.h"
#include "exported/audit_program.h"
#include "exported/describe_program.h"
#include "exported/lint_program.h"
#include "exported/lower_program.h"
#include "exported/missing_operators.h"
#include "exported/parse_program.h"
#include "exported/sample_inputs.h"
#include "signature.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

/// What a model was exported with; its results are not in the file.
constexpr const char* kExample = "example";

/// Programs of ours have plain tuples, and the names of their members in the manifest.
void name_tuples(const ValueSpec& named, ValueSpec& spec, int& count) {
  if (!spec.members || !named.members || spec.members->size() != named.members->size()) return;
  bool all_named = spec.kind == Kind::tuple && !spec.members->empty();
  for (std::size_t i = 0; i < spec.members->size(); ++i) {
    ValueSpec& member = (*spec.members)[i];
    name_tuples((*named.members)[i], member, count);
    all_named = all_named && !(*named.members)[i].name.empty() && member.name.empty();
  }
  if (spec.kind != Kind::tuple) return;
  for (std::size_t i = 0; i < spec.members->size(); ++i) {
    if (all_named) (*spec.members)[i].name = (*named.members)[i].name;
  }
  spec.items = *spec.members;
  if (all_named) spec.type = "Result" + std::to_string(count++);
}

}  // namespace

ExportedFile::ExportedFile(ZipReader zip)
    : archive_(std::move(zip)), extras_(archive_.zip(), archive_.folder()) {}

const ExportedFile::Description& ExportedFile::description() const {
  std::call_once(described_, [&] {
    Description made;
    made.program = parse_program(archive_.program_text(), archive_.program_place());
    made.boundary = boundary_of(made.program, archive_.program_place());
    made.tensors = archive_.tensors();
    description_ = std::move(made);
  });
  return description_;
}

ModelInfo ExportedFile::info() const {
  const Description& described = description();
  ModelInfo info = describe_program(described.program, described.boundary, described.tensors);
  info.path = archive_.zip().file().path();
  info.file_size = static_cast<std::int64_t>(size());
  extras_.overlay(info);
  if (info.samples.empty() && !extras_.manifest() && has_sample_inputs(archive_)) {
    info.samples.push_back({.method = info.default_method, .origin = kExample});
  }
  return info;
}

std::vector<Sample> ExportedFile::samples(const ModelInfo& info) const {
  if (extras_.manifest()) return extras_.samples(info);
  std::optional<SampleCall> call = read_sample_inputs(archive_);
  if (!call) return {};
  const MethodInfo& method = info.methods.front();
  Sample sample{.method = method.name, .inputs = {}, .output = std::nullopt};
  for (const Value* each : bind_inputs(name(), method, call->positional, call->named)) {
    sample.inputs.push_back(each != nullptr ? *each : Value());
  }
  return {std::move(sample)};
}

torch::jit::Module ExportedFile::lower(const ModelInfo& info, const at::Device& device) const {
  const Description& described = description();
  ProgramBoundary boundary = described.boundary;
  int tuples = 0;
  name_tuples(info.methods.front().output, boundary.method.output, tuples);
  require_operators(described.program, archive_.program_place());
  std::map<std::string, at::Tensor> weights = load_tensors(described.tensors);
  for (auto& [name, tensor] : weights) tensor = tensor.to(device);
  return lower_program(described.program, boundary, weights, archive_.program_place());
}

std::unique_ptr<const Engine> ExportedFile::load(const ModelInfo& info,
                                                 const LoadOptions& options) const {
  try {
    const at::NoGradGuard no_grad;
    return make_interpreter(lower(info, options.device), info, options);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const TorchMessage message = explain(error);
    throw ArchiveError(name() + ": " + message.text, message.hint);
  }
}

std::vector<Finding> ExportedFile::lint(const ModelInfo& info, const LintOptions&) const {
  const Description& described = description();
  try {
    return lint_program(archive_, described.program, described.boundary, described.tensors, info);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(name() + ": " + explain(error).text);
  }
}

AuditReport ExportedFile::audit() const {
  const Description& described = description();
  return audit_program(archive_, described.program, described.boundary, described.tensors);
}

}  // namespace torchship
