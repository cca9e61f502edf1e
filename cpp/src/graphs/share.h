#pragma once

#include <memory>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

// LibTorch's passes look for equals, and compare tensors element by element. These two leave weights
// out of that: they are the same where they lie in the same memory.

/// Operators that compute the same of the same become one.
void share_equal_results(const std::shared_ptr<torch::jit::Graph>& graph);

/// Constants of the same value become one.
void share_equal_constants(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchship
