#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Calls `visit` for every node of a block and of the blocks inside it, in the order of the code.
template <typename Visit>
void for_each_node(torch::jit::Block& block, const Visit& visit) {
  for (torch::jit::Node* node : block.nodes()) {
    visit(node);
    for (torch::jit::Block* inner : node->blocks()) for_each_node(*inner, visit);
  }
}

}  // namespace torchship
