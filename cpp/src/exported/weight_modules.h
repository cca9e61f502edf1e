#pragma once

#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

namespace torchship {

/// A tree of modules that holds tensors under names such as "encoder.layers.0.weight".
class WeightModules {
 public:
  enum class Role { parameter, buffer, constant };

  /// `classes` are those of the modules by path, as Python calls them. `place` begins messages.
  WeightModules(const std::map<std::string, std::string>& classes, const std::string& place);

  /// Throws ArchiveError where a name is that of a module and of a tensor.
  void add(const std::string& name, const at::Tensor& tensor, Role role);

  const torch::jit::Module& root() const { return modules_.at(""); }

  /// The tensor of a name, read from `self` at the insertion point of its graph.
  torch::jit::Value* get(torch::jit::Value* self, const std::string& name) const;

 private:
  torch::jit::Module& module_at(const std::string& path);
  torch::jit::Module make(const std::string& path) const;

  const std::map<std::string, std::string>& classes_;
  const std::string& place_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  std::map<std::string, torch::jit::Module> modules_;
};

}  // namespace torchship
