#pragma once

#include <ATen/core/Tensor.h>

namespace torchship {

/// Whether a linear layer has so little to do that calling LibTorch's would take most of the time.
/// `transposed` is the weight as [inputs, outputs], contiguous.
bool is_small(const at::Tensor& input, const at::Tensor& transposed, const at::Tensor& bias);

/// input x transposed + bias, for what is_small() lets pass.
at::Tensor small_linear(const at::Tensor& input, const at::Tensor& transposed,
                        const at::Tensor& bias);

}  // namespace torchship
