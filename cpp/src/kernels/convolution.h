#pragma once

#include <memory>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Gives convolutions in two dimensions with constant weights oneDNN's kernels: weights are packed
/// once instead of in every call, channels are kept last in memory from one convolution to the next,
/// and the activation that follows is applied to what is in the cache still. Nothing is done to
/// graphs that ask for strides, or write through views.
///
/// Returns whether results of the graph may have their channels last in memory now, which had them
/// as their inputs have.
bool use_convolution_kernel(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchship
