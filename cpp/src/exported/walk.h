#pragma once

#include <string>

#include "exported/program.h"

namespace torchship {

/// Calls `visit` for every node of a graph and of the graphs inside it.
template <typename Visit>
void for_each_node(const ExportedGraph& graph, const Visit& visit) {
  for (const ExportedNode& node : graph.nodes) {
    visit(node);
    for (const ExportedInput& input : node.inputs) {
      if (const auto* inner = input.argument.get<ExportedSubgraph>()) {
        for_each_node(*inner->graph, visit);
      }
    }
  }
}

/// What a node calls: of with_effects(token, operator, ...) that operator.
inline const std::string& called_target(const ExportedNode& node) {
  if (node.target == "torch.ops.higher_order.with_effects" && node.inputs.size() > 1) {
    if (const auto* target = node.inputs[1].argument.get<std::string>()) return *target;
  }
  return node.target;
}

}  // namespace torchship
