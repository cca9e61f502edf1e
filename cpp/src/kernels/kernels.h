#pragma once

#include <memory>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Puts our own kernels for the CPU in the place of LibTorch's operators, where they are faster. To
/// be called last: see reuse.h. Returns what use_convolution_kernel() does.
bool use_kernels(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchship
