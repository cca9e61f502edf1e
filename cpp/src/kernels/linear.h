#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Gives linear layers with constant weights a kernel of their own, with the activation that follows.
///
/// Small products find the weight transposed already: LibTorch does that in every call, which costs
/// as much as the product. Large ones go to oneDNN, which is faster than MKL there and applies the
/// activation to what is in the cache still.
void use_linear_kernel(torch::jit::Graph& graph);

}  // namespace torchship
