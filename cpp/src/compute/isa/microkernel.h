#pragma once

// Note [Microkernel]
// The inner loop of products and convolutions: a tile of sums
//   c[row][column] = sum over tap < taps, k < depth of
//                    rows[row][offsets[tap] + k] * b[tap * depth + k][column]
// is kept in registers while k runs; each step multiplies the numbers that kTileRows rows have at k with
// one row of b. b lies in panels of kPanel columns, each [taps * depth][kPanel], the last one filled up
// with zeros. A long sum is done in blocks, whose part of a panel stays in the first cache while all
// rows pass; in between the sums are kept in `partial`. Every sum is added up in the order of k, so it is
// the same in whatever tile, and of whatever blocks, it is computed. b may be kept in bfloat16 (weights.h),
// which is widened as it is read.

#include <cstdint>

#include "compute/isa/epilogue.h"
#include "compute/isa/lanes.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/isa/weights.h"
#include "compute/matrix.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Rows of the largest tile that is one panel wide: its sums leave registers for b and the rows.
inline constexpr int kTileRows = kRegisters == 32 ? 12 : 6;
/// The same of a tile of half a panel: fewer than 8 sums would wait for one another.
inline constexpr int kNarrowTileRows = kRegisters == 32 ? 12 : 8;
inline constexpr int kMostTileRows = kTileRows > kNarrowTileRows ? kTileRows : kNarrowTileRows;
/// Panels that a tile of this many rows may span, so that few rows have enough sums that do not wait.
template <typename Weights = Float32Weights>
constexpr int tile_panels(std::int64_t rows) {
  return rows == 1 ? 4 : rows <= Weights::kMostWideRows ? 2 : 1;
}
/// Rows of the largest tile of this many columns, at most kPanel.
constexpr int tile_rows(std::int64_t columns) { return columns > kLanes ? kTileRows : kNarrowTileRows; }

/// [0, total) in as few pieces of at most `largest` as there can be (one of a total of 0), whose sizes
/// differ by at most one.
struct Pieces {
  std::int64_t count, size, larger;

  Pieces(std::int64_t total, std::int64_t largest)
      : count(total <= largest ? 1 : divide_up(total, largest)),
        size(count == 1 ? total : total / count),
        larger(total - size * count) {}
  std::int64_t begin(std::int64_t piece) const { return piece * size + smaller_of(piece, larger); }
};

struct Tile {
  // The terms of the sums.
  const float* const* rows = nullptr;     ///< Where each row begins.
  const std::int64_t* offsets = nullptr;  ///< Of each tap, in floats.
  std::int64_t taps = 1;
  std::int64_t depth = 0;
  const float* b = nullptr;               ///< [taps * depth] rows of a panel or a block of it.
  const float* next = nullptr;            ///< What to prefetch at each k, or null,
  std::int64_t next_step = 0;             ///< and so many floats further at the next one.
  std::int64_t panel_stride = 0;          ///< From one panel to the next, where a tile has several.

  // Blocks: sums of the blocks before, [rows][tile's panels * kPanel]; null where one block is all.
  float* partial = nullptr;
  bool is_first = true;
  bool is_last = true;

  // What the last block writes.
  std::int64_t columns = 0;  ///< At most kPanel * tile_panels(rows).
  float* c = nullptr;
  std::int64_t c_stride = 0;
  float scale = 1;
  Epilogue epilogue;         ///< epilogue_at() this tile.
};

/// sums += the tile's terms.
template <typename Weights, int kRows, int kVectors, bool kPrefetches>
[[gnu::always_inline]] inline void add_terms(const Tile& tile, Vec (&sums)[kRows * kVectors]) {
  const float* b = tile.b;
  const float* next = tile.next;
  const std::int64_t depth = tile.depth, next_step = tile.next_step;
  for (std::int64_t tap = 0; tap < tile.taps; ++tap) {
    const float* row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) row[r] = tile.rows[r] + tile.offsets[tap];
    for (std::int64_t k = 0; k < depth; ++k, b += Weights::kRowSize) {
      if constexpr (kPrefetches) {
        __builtin_prefetch(next);
        next += next_step;
      }
      Vec weights[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) weights[v] = Weights::half(b + v / 2 * tile.panel_stride, v % 2);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Vec number = broadcast(row[r][k]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sums[r * kVectors + v] += number * weights[v];
      }
    }
  }
}

template <typename Weights, int kRows, int kVectors>
[[gnu::noinline]] void compute_tile_of(const Tile& tile) {
  Vec sums[kRows * kVectors];
  constexpr int kStride = (kVectors + 1) / 2 * kPanel;
  float* const kept = tile.partial;
  const auto partial = [kept](int i) { return kept + i / kVectors * kStride + i % kVectors * kLanes; };
  if (tile.is_first) {
#pragma GCC unroll 32
    for (int i = 0; i < kRows * kVectors; ++i) sums[i] = Vec{};
  } else {
#pragma GCC unroll 32
    for (int i = 0; i < kRows * kVectors; ++i) sums[i] = load(partial(i));
  }
  // Few rows read from several panels at once, which no prefetch hastens.
  if (kRows > 3 && kVectors == 2 && tile.next != nullptr) {
    add_terms<Weights, kRows, kVectors, true>(tile, sums);
  } else {
    add_terms<Weights, kRows, kVectors, false>(tile, sums);
  }
  if (tile.is_last) {
    finish<kRows, kVectors>(sums, tile.scale, tile.epilogue, tile.c, tile.c_stride, tile.columns);
  } else {
#pragma GCC unroll 32
    for (int i = 0; i < kRows * kVectors; ++i) store(partial(i), sums[i]);
  }
}

/// compute_tile_of<Weights, rows, kVectors>, rows from 1 to kMost.
template <typename Weights, int kMost, int kVectors>
inline void compute_tile_of_rows(int rows, const Tile& tile) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return compute_tile_of_rows<Weights, kMost - 1, kVectors>(rows, tile);
  }
  compute_tile_of<Weights, kMost, kVectors>(tile);
}

/// Computes a tile of `rows` rows, at most tile_rows(tile.columns), and at most tile_panels(rows) panels.
template <typename Weights = Float32Weights>
inline void compute_tile(int rows, const Tile& tile) {
  if (tile.columns <= kLanes) return compute_tile_of_rows<Weights, kNarrowTileRows, 1>(rows, tile);
  if (tile.columns <= kPanel) return compute_tile_of_rows<Weights, kTileRows, 2>(rows, tile);
  constexpr int kWideRows = Weights::kMostWideRows;
  if (tile.columns <= 2 * kPanel) return compute_tile_of_rows<Weights, kWideRows, 4>(rows, tile);
  if (tile.columns <= 3 * kPanel) return compute_tile_of<Weights, 1, 6>(tile);
  compute_tile_of<Weights, 1, 8>(tile);
}

/// Lane i: the product of rows[i] and the vector, both contiguous: for a b of one column.
inline Vec multiply_rows(const float* const (&rows)[kLanes], const float* vector, std::int64_t size) {
  const std::int64_t whole = size / kLanes * kLanes;
  Vec sums[kLanes] = {};
  for (std::int64_t k = 0; k < whole; k += kLanes) {
    const Vec numbers = load(vector + k);
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; ++r) sums[r] += load(rows[r] + k) * numbers;
  }
  if (whole < size) {
    const Vec numbers = load_first(vector + whole, size - whole);
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; ++r) sums[r] += load_first(rows[r] + whole, size - whole) * numbers;
  }
  return sums_of_lanes(sums);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
