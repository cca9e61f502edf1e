#pragma once

// Note [Streamed panels]
// The microkernel's loop (microkernel.h) for panels that are used by few rows and come from memory:
// the processor alone would read a panel while its first rows pass and wait then, and leave the
// memory idle while the others do. So all rows fetch, line by line, an even part each of the panel
// that comes next. Written for a product of many small ones: nothing but sums is stored.

#include <cstdint>

#include "compute/isa/microkernel.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// sums [rows, kPanel] = rows [rows, depth] times panel [depth, kPanel].
struct StreamedProduct {
  std::int64_t rows = 0;
  std::int64_t depth = 0;
  const float* a = nullptr;
  std::int64_t a_stride = 0;
  const float* panel = nullptr;
  const float* next_panel = nullptr;  ///< To be fetched meanwhile.
  float* sums = nullptr;
};

/// kRows rows of it, which fetch `step` bytes of `next` for each k.
template <int kRows>
[[gnu::noinline]] void multiply_streamed_rows(const StreamedProduct& product, std::int64_t first,
                                              const char* next, std::int64_t step) {
  const float* rows[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) rows[r] = product.a + (first + r) * product.a_stride;
  Vec sums[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = Vec{};
  const float* b = product.panel;
  for (std::int64_t k = 0; k < product.depth; ++k, b += kPanel, next += step) {
    __builtin_prefetch(next, 0, 2);
    const Vec left = load(b), right = load(b + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec number = broadcast(rows[r][k]);
      sums[r][0] += number * left;
      sums[r][1] += number * right;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    store(product.sums + (first + r) * kPanel, sums[r][0]);
    store(product.sums + (first + r) * kPanel + kLanes, sums[r][1]);
  }
}

/// multiply_streamed_rows<rows>, rows from 1 to kMost.
template <int kMost>
inline void multiply_streamed_rows_of(std::int64_t rows, const StreamedProduct& product,
                                      std::int64_t first, const char* next, std::int64_t step) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return multiply_streamed_rows_of<kMost - 1>(rows, product, first, next, step);
  }
  multiply_streamed_rows<kMost>(product, first, next, step);
}

inline void multiply_streamed(const StreamedProduct& product) {
  const std::int64_t tiles = divide_up(product.rows, kTileRows);
  const std::int64_t step = kPanel * static_cast<std::int64_t>(sizeof(float)) / tiles;
  const char* next = reinterpret_cast<const char*>(product.next_panel);
  for (std::int64_t tile = 0; tile < tiles; ++tile, next += step * product.depth) {
    const Range rows = part_of(product.rows, tile, tiles);
    multiply_streamed_rows_of<kTileRows>(rows.size(), product, rows.begin, next, step);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
