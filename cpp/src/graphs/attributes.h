#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Which attributes of a module are the same in every call.
///
/// Errs on the side of change: an attribute that any method replaces, or a tensor that any method
/// writes in place, is no constant in the graph of any other either.
class ConstantAttributes {
 public:
  /// `graphs` are the inlined graphs of everything that may be called.
  ConstantAttributes(const torch::jit::Module& module,
                     const std::vector<std::shared_ptr<torch::jit::Graph>>& graphs);

  /// The value that a prim::GetAttr always gives, or nothing.
  std::optional<c10::IValue> value_of(const torch::jit::Node& get) const;

 private:
  using Name = std::pair<std::string, std::string>;  ///< Class and attribute.

  std::optional<c10::IValue> held_by(const torch::jit::Value& value) const;
  void note_writes(const std::shared_ptr<torch::jit::Graph>& graph);

  c10::IValue module_;
  std::set<Name> replaced_;
  std::vector<c10::IValue> written_;
};

/// Puts constants in the places of constant attributes; returns how many attributes there were.
std::int64_t fold_attributes(torch::jit::Graph& graph, const ConstantAttributes& attributes);

}  // namespace torchship
