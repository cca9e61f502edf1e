#pragma once

#include <cstdint>

namespace torchship::compute {

/// Rows of a table picked by their numbers, all dense: result [count, width] of table
/// [rows, width]. float32.
struct Gathering {
  const float* table = nullptr;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  const std::int64_t* indices = nullptr;  ///< [count].
  std::int64_t count = 0;
  float* result = nullptr;
};

}  // namespace torchship::compute
