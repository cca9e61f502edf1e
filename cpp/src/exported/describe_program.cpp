#include "exported/describe_program.h"

#include <set>

namespace torchship {
namespace {

class ModuleSizes {
 public:
  ModuleSizes(const ExportedProgram& program, ModelInfo& info) : program_(program), info_(info) {
    module_at("");
  }

  void add(const ExportedInputSpec& input, const StoredTensor& tensor) {
    const std::size_t dot = input.target.rfind('.');
    ModuleSize& module = module_at(dot == std::string::npos ? "" : input.target.substr(0, dot));
    const TensorCount count = counter_.count(pickled(tensor));
    const bool is_parameter = input.kind == ExportedInputSpec::Kind::parameter;
    torchship::add(count, is_parameter ? info_.parameters : info_.buffers);
    torchship::add(count, is_parameter ? module.parameters : module.buffers);
  }

 private:
  ModuleSize& module_at(const std::string& path) {
    const auto [slot, is_new] = places_.try_emplace(path, info_.modules.size());
    if (is_new) {
      const auto known = program_.module_classes.find(path);
      info_.modules.push_back(
          {.path = path,
           .class_name = known == program_.module_classes.end() ? "" : known->second,
           .parameters = {},
           .buffers = {}});
    }
    return info_.modules[slot->second];
  }

  const ExportedProgram& program_;
  ModelInfo& info_;
  TensorCounter counter_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace

ModelInfo describe_program(const ExportedProgram& program, const ProgramBoundary& boundary,
                           const StoredTensors& tensors) {
  ModelInfo info;
  info.format = "exported program";
  info.format_version = program.version.major;
  info.producer.torch = program.torch;
  info.methods.push_back(boundary.method);
  info.default_method = boundary.method.name;
  if (const auto root = program.module_classes.find(""); root != program.module_classes.end()) {
    info.class_name = root->second;
  }
  ModuleSizes sizes(program, info);
  std::set<std::string> seen;
  for (const ExportedInputSpec& input : program.inputs) {
    const auto tensor = tensors.find(input.target);
    if (!input.target.empty() && tensor != tensors.end() && seen.insert(input.target).second) {
      sizes.add(input, tensor->second);
    }
  }
  return info;
}

}  // namespace torchship
