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

/// How often each operator stands in a graph, branches, loops and kernels included.
std::map<std::string, std::int64_t> operators_of(torch::jit::Graph& graph);

}  // namespace torchship
