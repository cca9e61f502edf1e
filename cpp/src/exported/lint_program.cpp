#include "exported/lint_program.h"

#include <iterator>
#include <set>

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>

#include "exported/lower_program.h"
#include "exported/missing_operators.h"
#include "exported/sample_inputs.h"
#include "lint/rules.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

std::set<std::string> names_of_constants(const ExportedProgram& program) {
  std::set<std::string> names;
  for (const ExportedInputSpec& input : program.inputs) {
    if (input.kind == ExportedInputSpec::Kind::tensor_constant) names.insert(input.target);
  }
  return names;
}

std::vector<HeldTensor> held(const std::set<std::string>& names, const StoredTensors& tensors) {
  std::vector<HeldTensor> found;
  for (const std::string& name : names) {
    if (const auto tensor = tensors.find(name); tensor != tensors.end()) {
      found.push_back({name, pickled(tensor->second)});
    }
  }
  return found;
}

/// The modules that hold weights, under the classes that the graph knows them by.
std::vector<ModuleNode> module_nodes(const jit::Module& root, const StoredTensors& tensors,
                                     const std::set<std::string>& constants) {
  std::vector<ModuleNode> nodes;
  const auto visit = [&](const auto& self, const jit::Module& module, const std::string& path,
                         const std::string& attribute, std::size_t parent) -> void {
    const std::size_t index = nodes.size();
    nodes.push_back({.path = path,
                     .class_name = module.type()->name()->qualifiedName(),
                     .attribute = attribute,
                     .parent = parent,
                     .tensors = {},
                     .training = std::nullopt});
    for (const auto& each : module.named_attributes(/*recurse=*/false)) {
      const std::string name = (path.empty() ? "" : path + ".") + each.name;
      const auto tensor = tensors.find(name);
      if (tensor == tensors.end() || constants.contains(name)) continue;
      nodes[index].tensors.push_back({each.name, pickled(tensor->second)});
    }
    for (const auto& child : module.named_children()) {
      self(self, child.value, (path.empty() ? "" : path + ".") + child.name, child.name, index);
    }
  };
  visit(visit, root, "", "", 0);
  return nodes;
}

class ProgramSubject final : public Subject {
 public:
  ProgramSubject(const ProgramArchive& archive, const ExportedProgram& program,
                 const StoredTensors& tensors, const ModelInfo& info, const jit::Module& module)
      : Subject(info, module_nodes(module, tensors, names_of_constants(program)),
                held(names_of_constants(program), tensors)),
        archive_(archive),
        graph_(jit::toGraphFunction(module.get_method("forward").function()).graph()) {
    scopes_.push_back({.class_name = module.type()->name()->qualifiedName(),
                       .function = "forward",
                       .method = "forward",
                       .graph = graph_});
  }

  std::shared_ptr<jit::Graph> inlined(const std::string& method) const override {
    return method == "forward" ? graph_ : nullptr;
  }
  bool names_all_devices() const override { return true; }
  const ZipReader& zip() const override { return archive_.zip(); }
  const ZipEntry* record_of(const HeldTensor& tensor, bool) const override {
    return archive_.zip().find(tensor.tensor.storage);
  }

 private:
  const ProgramArchive& archive_;
  const std::shared_ptr<jit::Graph> graph_;
};

std::vector<Hit> find_missing(const ExportedProgram& program) {
  std::vector<Hit> hits;
  for (const MissingOperator& missing : missing_operators(program)) {
    Finding finding = make_finding(
        "missing-operator", "error",
        "the operator " + missing.name +
            " is missing in this process, so that the model cannot be loaded: it is called " +
            (missing.calls == 1 ? "once" : std::to_string(missing.calls) + " times"),
        missing_operator_hint(missing.name), missing.name);
    if (!missing.stack_traces.empty()) {
      UserLine line = python_line(missing.stack_traces.front());
      finding.file = std::move(line.file);
      finding.line = line.line;
      finding.source = std::move(line.text);
    }
    hits.push_back(hit(std::move(finding)));
  }
  return hits;
}

std::vector<Hit> find_sample_inputs(const ProgramArchive& archive, const ModelInfo& info) {
  const ZipEntry* record = archive.sample_inputs();
  if (record == nullptr || !has_sample_inputs(archive)) return {};
  const bool wanted = info.manifest_version > 0;
  return {hit(make_finding("example-inputs", wanted ? "note" : "warning",
                           "the file holds the inputs that the model was exported with, in " +
                               std::to_string(record->size) +
                               " bytes: whoever gets the file gets that data",
                           "set program.example_inputs = None before it is saved, or save it with "
                           "torchship.save",
                           record->name.substr(archive.folder().size())))};
}

}  // namespace

std::vector<Finding> lint_program(const ProgramArchive& archive, const ExportedProgram& program,
                                  const ProgramBoundary& boundary, const StoredTensors& tensors,
                                  const ModelInfo& info) {
  std::vector<Hit> hits = find_missing(program);
  if (hits.empty()) {
    const jit::Module module =
        lower_without_weights(program, boundary, tensors, archive.program_place());
    const ProgramSubject subject(archive, program, tensors, info, module);
    hits = find_in_any_format(subject);
  }
  std::vector<Hit> samples = find_sample_inputs(archive, info);
  hits.insert(hits.end(), std::move_iterator(samples.begin()), std::move_iterator(samples.end()));
  return merge(std::move(hits));
}

}  // namespace torchship
