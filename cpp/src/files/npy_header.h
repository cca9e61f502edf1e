#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "files/byte_source.h"

namespace torchship {

/// What a .npy file says of its array.
struct NpyHeader {
  std::string descr;  ///< numpy's name of the dtype: "<f4".
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::uint64_t data_offset = 0;
};

/// Whether the bytes are how a .npy file begins.
bool is_npy(std::string_view start);

/// Reads versions 1 to 3 of the format. Throws ArchiveError, also for arrays that are no plain
/// numbers: structured ones and Python objects.
NpyHeader read_npy_header(const ByteSource& source);

/// The bytes that come before the data: version 1.0, C order.
std::string make_npy_header(std::string_view descr, const std::vector<std::int64_t>& shape);

}  // namespace torchship
