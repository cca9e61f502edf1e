#pragma once

#include <ATen/core/Tensor.h>

namespace torchship {

/// Numbers in memory with strides, and nothing else to know of them.
inline bool is_plain(const at::Tensor& tensor) {
  return tensor.layout() == at::kStrided && !tensor.is_quantized() && !tensor.is_nested();
}

}  // namespace torchship
