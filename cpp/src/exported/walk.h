#pragma once

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

}  // namespace torchship
