#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "files/byte_source.h"

namespace torchship {

/// A tensor as a file's header announces it.
struct TensorHeader {
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
};

/// "float32[1, 3]".
std::string describe(const TensorHeader& header);

/// Bytes of its elements. Throws ArchiveError, naming `source`, when no such tensor can exist:
/// sizes below zero, more dimensions than 64, more bytes than 63 bits can count.
std::uint64_t byte_count(const TensorHeader& header, const std::string& source);

/// The tensor whose elements lie at `offset`, row by row, the machine's own way round.
at::Tensor read_tensor(const ByteSource& source, std::uint64_t offset, const TensorHeader& header);

/// The same values on the CPU, row by row. Throws ArchiveError when no file format has a place for
/// them (sparse, quantized, without data, ...); `what` says which tensor of which file it is.
at::Tensor plain_tensor(const at::Tensor& tensor, const std::string& what);

/// The memory of a plain tensor.
std::string_view bytes_of(const at::Tensor& plain);

}  // namespace torchship
