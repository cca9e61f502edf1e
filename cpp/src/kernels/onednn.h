#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace torchship {

/// Whether LibTorch's operators of the namespace "mkldnn" are what this file expects, and allowed.
bool has_onednn();

/// input [m, k] times weight [n, k], transposed, plus bias [n], then the activation; float32.
at::Tensor onednn_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         std::string_view activation);

/// What a convolution in two dimensions depends on, beside its tensors.
struct ConvolutionOptions {
  std::vector<std::int64_t> stride;
  std::vector<std::int64_t> padding;
  std::vector<std::int64_t> dilation;
  std::int64_t groups = 1;
};

/// The weight [out, in / groups, height, width], float32, as the kernel likes it that oneDNN takes for
/// inputs of these sizes and the thread's number of threads: opaque, in memory of its own.
at::Tensor onednn_pack(const at::Tensor& weight, const ConvolutionOptions& options,
                       at::IntArrayRef input_sizes);

/// The convolution, then the activation, of an input [n, in, height, width] whose channels are last in
/// memory, as those of the result are. `bias` may be undefined.
at::Tensor onednn_convolution(const at::Tensor& input, const at::Tensor& packed,
                              const at::Tensor& bias, const ConvolutionOptions& options,
                              std::string_view activation);

}  // namespace torchship
