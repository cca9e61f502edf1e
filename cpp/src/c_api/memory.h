#pragma once

#include <memory>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "c_api/lease.h"

namespace torchship::c_api {

/// Elements in somebody's memory.
struct Memory {
  void* data = nullptr;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  at::IntArrayRef sizes;
  const std::int64_t* strides = nullptr;  ///< Null: row by row, without gaps.
};

/// Sizes as an array. Throws ArgumentError, naming the function, when no tensor has such.
at::IntArrayRef sizes_of(const std::int64_t* shape, std::int64_t ndim, const char* function);

/// A tensor over the memory, which it has on lease. Throws ArgumentError when there can be no such
/// tensor, DeviceError when its device is not in this process.
at::Tensor tensor_over(const Memory& memory, std::shared_ptr<const Lease> lease,
                       const char* function);

/// Throws SignatureError when the elements are not simply in memory: sparse, quantized, nested.
void require_plain(const at::Tensor& tensor);

}  // namespace torchship::c_api
