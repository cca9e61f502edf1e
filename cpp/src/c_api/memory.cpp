#include "c_api/memory.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <ATen/ops/from_blob.h>
#include <torchship/value.h>

#include "c_api/guard.h"
#include "device.h"

namespace torchship::c_api {
namespace {

constexpr std::int64_t kMostDimensions = 64;

[[noreturn]] void refuse(const char* function, const std::string& why) {
  throw ArgumentError(std::string(function) + ": " + why);
}

std::vector<std::int64_t> strides_of(const Memory& memory) {
  const at::IntArrayRef sizes = memory.sizes;
  if (memory.strides != nullptr) return {memory.strides, memory.strides + sizes.size()};
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t i = sizes.size(); i-- > 1;) {
    // What overflows here is refused before it is used.
    (void)__builtin_mul_overflow(strides[i], std::max<std::int64_t>(sizes[i], 1), &strides[i - 1]);
  }
  return strides;
}

/// Whether all elements are within what 63 bits can count, also those of a tensor that has none.
bool is_possible(at::IntArrayRef sizes, at::IntArrayRef strides, std::size_t element) {
  std::int64_t elements = 1;
  std::int64_t last = 0;
  bool fits = true;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t size = std::max<std::int64_t>(sizes[i], 1);
    std::int64_t step = 0;
    fits = fits && !__builtin_mul_overflow(elements, size, &elements) &&
           !__builtin_mul_overflow(size - 1, strides[i], &step) &&
           !__builtin_add_overflow(last, step, &last);
  }
  std::int64_t bytes = 0;
  const auto width = static_cast<std::int64_t>(element);
  return fits && !__builtin_mul_overflow(elements, width, &bytes) &&
         !__builtin_add_overflow(last, 1, &last) && !__builtin_mul_overflow(last, width, &bytes);
}

void require_possible(const Memory& memory, at::IntArrayRef strides, const char* function) {
  const std::size_t element = c10::elementSize(memory.dtype);
  for (const std::int64_t stride : strides) {
    if (stride < 0) {
      refuse(function, "stride " + std::to_string(stride) + ": LibTorch has none below 0; copy it");
    }
  }
  if (!is_possible(memory.sizes, strides, element)) {
    refuse(function, "sizes and strides are more than 63 bits can count");
  }
  if (std::find(memory.sizes.begin(), memory.sizes.end(), 0) != memory.sizes.end()) return;
  if (memory.data == nullptr) refuse(function, "data is NULL, but the sizes are not 0");
  // Complex numbers are aligned as their halves are.
  const std::size_t alignment = std::min<std::size_t>(element, 8);
  if (reinterpret_cast<std::uintptr_t>(memory.data) % alignment != 0) {
    refuse(function,
           "data is not aligned to its elements of " + std::to_string(element) + " bytes; copy it");
  }
}

}  // namespace

at::IntArrayRef sizes_of(const std::int64_t* shape, std::int64_t ndim, const char* function) {
  if (ndim < 0 || ndim > kMostDimensions) {
    refuse(function, "ndim " + std::to_string(ndim) + ": expected 0 to 64");
  }
  if (ndim == 0) return {};
  given(shape, function, "shape");
  const at::IntArrayRef sizes(shape, static_cast<std::size_t>(ndim));
  for (const std::int64_t size : sizes) {
    if (size < 0) refuse(function, "size " + std::to_string(size) + " is below 0");
  }
  return sizes;
}

at::Tensor tensor_over(const Memory& memory, std::shared_ptr<const Lease> lease,
                       const char* function) {
  const std::vector<std::int64_t> strides = strides_of(memory);
  require_possible(memory, strides, function);
  require_device(memory.device);
  // The lease goes with the function that holds it.
  const auto holder = [lease = std::move(lease)](void*) {};
  return at::from_blob(memory.data, memory.sizes, strides, holder,
                       at::TensorOptions().dtype(memory.dtype).device(memory.device),
                       memory.device);
}

void require_plain(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_nested() || tensor.layout() != at::kStrided ||
      tensor.is_quantized()) {
    throw SignatureError("a " + describe(Value(tensor)) + " has no plain row of elements",
                         "let the model give a dense tensor");
  }
}

}  // namespace torchship::c_api
