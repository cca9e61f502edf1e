#include "files/tensor_bytes.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <torchship/error.h>
#include <torchship/value.h>

namespace torchship {
namespace {

constexpr std::size_t kMostDimensions = 64;

std::span<char> memory_of(const at::Tensor& tensor) {
  return {static_cast<char*>(tensor.data_ptr()), tensor.nbytes()};
}

at::Tensor allocate(const TensorHeader& header, const std::string& source) {
  try {
    return at::empty(header.shape, at::TensorOptions().dtype(header.dtype).device(at::kCPU));
  } catch (const c10::Error&) {
    throw ArchiveError(source + ": no memory for " + describe(header));
  }
}

/// Why no file can hold the tensor; empty if one can.
std::string_view fault_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return "is undefined";
  if (tensor.is_meta()) return "is on the meta device, which keeps no data";
  if (tensor.is_nested()) return "is nested";
  if (tensor.is_quantized()) return "is quantized";
  if (tensor.layout() != at::kStrided) return "is not dense";
  return {};
}

}  // namespace

std::string describe(const TensorHeader& header) {
  std::string text(to_string(header.dtype));
  text += '[';
  for (std::size_t i = 0; i < header.shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(header.shape[i]);
  }
  return text + ']';
}

std::uint64_t byte_count(const TensorHeader& header, const std::string& source) {
  if (header.shape.size() > kMostDimensions) {
    throw ArchiveError(source + ": has " + std::to_string(header.shape.size()) +
                       " dimensions, more than 64");
  }
  // Sizes of 0 count as 1 while looking for overflow: strides must fit in 63 bits as well.
  auto bytes = static_cast<std::int64_t>(c10::elementSize(header.dtype));
  bool fits = true;
  bool empty = false;
  for (const std::int64_t size : header.shape) {
    fits = fits && size >= 0 &&
           !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
    empty = empty || size == 0;
  }
  if (!fits) throw ArchiveError(source + ": has an impossible shape, " + describe(header));
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

at::Tensor read_tensor(const ByteSource& source, std::uint64_t offset, const TensorHeader& header) {
  const std::uint64_t length = byte_count(header, source.name);
  if (offset > source.size || length > source.size - offset) {
    throw ArchiveError(source.name + ": ends before the data of " + describe(header));
  }
  at::Tensor tensor = allocate(header, source.name);
  const std::span<char> memory = memory_of(tensor);
  source.read(offset, memory);
  // A C++ bool that is neither 0 nor 1 is undefined behaviour wherever it is used.
  if (header.dtype == at::kBool &&
      std::any_of(memory.begin(), memory.end(), [](char c) { return c != 0 && c != 1; })) {
    throw ArchiveError(source.name + ": holds bools that are neither 0 nor 1");
  }
  return tensor;
}

at::Tensor plain_tensor(const at::Tensor& tensor, const std::string& what) {
  const std::string_view fault = fault_of(tensor);
  if (!fault.empty()) {
    throw ArchiveError(what + " " + std::string(fault), "Turn it into a dense tensor first.");
  }
  try {
    return tensor.detach().cpu().resolve_conj().resolve_neg().contiguous();
  } catch (const c10::Error& error) {
    throw ArchiveError(what +
                       " cannot be copied: " + error.msg().substr(0, error.msg().find('\n')));
  }
}

std::string_view bytes_of(const at::Tensor& plain) {
  const std::span<char> memory = memory_of(plain);
  return {memory.data(), memory.size()};
}

}  // namespace torchship
