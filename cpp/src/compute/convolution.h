#pragma once

#include <cstdint>

#include "compute/matrix.h"

namespace torchship::compute {

enum class Algorithm : std::uint8_t {
  direct,      ///< Any, groups included.
  depthwise,   ///< One filter a channel: groups == channels == filters.
  winograd_2,  ///< 3 x 3, stride and dilation 1, one group: tiles of 2 x 2 results.
  winograd_4,  ///< The same with tiles of 4 x 4: faster, and its rounding errors are some ten times
               ///< those of direct.
};

/// A convolution in two dimensions of images whose channels are last in memory, all float32 and
/// dense: input [batch, height, width, channels], result [batch, out_height, out_width, filters].
struct Convolution {
  std::int64_t batch = 0;
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0, filters = 0;
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t pad_top = 0, pad_left = 0;  ///< What is missing below and to the right follows.
  std::int64_t dilation_height = 1, dilation_width = 1;
  std::int64_t groups = 1;
  Algorithm algorithm = Algorithm::direct;
  const float* input = nullptr;
  const float* weight = nullptr;  ///< As Kernels::pack_filters wrote it for this algorithm.
  float* result = nullptr;
  Epilogue epilogue = {};  ///< The residual's rows are pixels; its stride is of pixels.
};

/// Pooling in two dimensions, of the same images.
struct Pooling {
  std::int64_t batch = 0;
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0;
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_height = 1, stride_width = 1;
  std::int64_t pad_top = 0, pad_left = 0;
  std::int64_t dilation_height = 1, dilation_width = 1;  ///< Of the maximum alone.
  bool is_average = false;
  bool counts_padding = true;  ///< Of an average: what is padded counts as zeros.
  const float* input = nullptr;
  float* result = nullptr;
};

}  // namespace torchship::compute
