#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// The value that an operator gets for an argument of its schema; null when it has none such.
const torch::jit::Value* argument(const torch::jit::Node& node, std::string_view name);

/// Values of constants; nothing for other values, and for constants that make no sense.
std::optional<bool> known_bool(const torch::jit::Value* value);
std::optional<std::int64_t> known_int(const torch::jit::Value* value);
std::optional<double> known_number(const torch::jit::Value* value);
std::optional<c10::Device> known_device(const torch::jit::Value* value);
/// The items of a list: those that are constants have a value.
std::optional<std::vector<std::optional<std::int64_t>>> known_sizes(const torch::jit::Value* value);

/// Visits the nodes that may run in eval mode, blocks included: of an `if` whose condition is
/// known, or that depends on `self.training`, the way that is taken.
void visit_live(torch::jit::Block& block,
                const std::function<void(torch::jit::Node& node)>& visit);

/// "aten::linear"
std::string name_of(const torch::jit::Node& node);

/// Which values depend on others through the operators of a graph.
class Dependents {
 public:
  /// Of all inputs of the graph but the module itself.
  explicit Dependents(torch::jit::Graph& graph);
  /// Of the results of one node.
  Dependents(torch::jit::Graph& graph, const torch::jit::Node& node);

  bool contains(const torch::jit::Value* value) const { return values_.contains(value); }

 private:
  void spread(torch::jit::Block& block);
  bool touches(const torch::jit::Node& node) const;

  std::unordered_set<const torch::jit::Value*> values_;
};

}  // namespace torchship
