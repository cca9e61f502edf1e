#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/graph.h>

namespace torchship {

/// A graph of LibTorch's in plain data: values and body. Calls that are left get the graph of the
/// method they go to as their block, and kernels their members; how deep and how much is bounded.
Graph describe_graph(torch::jit::Graph& graph);

}  // namespace torchship
