#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/graph.h>

namespace torchship {

/// What a node of LibTorch's is to us.
NodeKind kind_of(const torch::jit::Node& node);

/// What a graph computes: called methods, branches, loops and kernels included.
struct NodeCount {
  std::map<std::string, std::int64_t> operators;  ///< By name, how often each is in the code.
  std::int64_t foldable_bytes = 0;  ///< Of the constants that batch norms and arithmetic read.

  std::size_t total() const;
};

NodeCount count_nodes(torch::jit::Graph& graph);

/// What happened between two counts.
GraphPass make_pass(std::string name, const NodeCount& before, const NodeCount& after);

}  // namespace torchship
