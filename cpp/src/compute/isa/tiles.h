#pragma once

// Strided elements cut into tiles: parts of the two innermost dimensions, for each index of the
// outer ones.

#include <cstdint>

#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// The strides of an operand within a tile.
struct Layout {
  std::int64_t row;
  std::int64_t column;
};
inline Layout layout_of(const std::int64_t* strides, int dimensions) {
  return {dimensions > 1 ? strides[dimensions - 2] : 0,
          dimensions > 0 ? strides[dimensions - 1] : 0};
}

struct Tiling {
  static constexpr int kMostOuter = 6;
  const std::int64_t* sizes;             // Of the outer dimensions.
  int outer;                             // How many they are.
  std::int64_t rows, columns;            // Sizes of the innermost dimensions.
  std::int64_t tile_rows, tile_columns;  // Of a tile, at most.
  std::int64_t row_tiles, column_tiles;  // How many there are.
  std::int64_t tiles;                    // Of all.
};

/// Dimensions that are missing have one index.
inline Tiling cut_into_tiles(const std::int64_t* sizes, int dimensions, std::int64_t most_rows,
                             std::int64_t most_columns) {
  Tiling tiling{};
  tiling.sizes = sizes;
  tiling.outer = dimensions > 2 ? dimensions - 2 : 0;
  tiling.rows = dimensions > 1 ? sizes[dimensions - 2] : 1;
  tiling.columns = dimensions > 0 ? sizes[dimensions - 1] : 1;
  tiling.tile_rows = most_rows < tiling.rows ? most_rows : tiling.rows;
  tiling.tile_columns = most_columns < tiling.columns ? most_columns : tiling.columns;
  if (tiling.rows == 0 || tiling.columns == 0) return tiling;
  tiling.row_tiles = (tiling.rows + tiling.tile_rows - 1) / tiling.tile_rows;
  tiling.column_tiles = (tiling.columns + tiling.tile_columns - 1) / tiling.tile_columns;
  tiling.tiles = tiling.row_tiles * tiling.column_tiles;
  for (int dimension = 0; dimension < tiling.outer; ++dimension) tiling.tiles *= sizes[dimension];
  return tiling;
}

/// Where a tile lies: indices of the outer dimensions, then of its first row and column.
class Position {
 public:
  Position(const Tiling& tiling, std::int64_t tile) : tiling_(tiling) {
    column_ = tile % tiling.column_tiles * tiling.tile_columns;
    tile /= tiling.column_tiles;
    row_ = tile % tiling.row_tiles * tiling.tile_rows;
    tile /= tiling.row_tiles;
    for (int dimension = tiling.outer - 1; dimension >= 0; --dimension) {
      outer_[dimension] = tile % tiling.sizes[dimension];
      tile /= tiling.sizes[dimension];
    }
  }

  void advance() {
    column_ += tiling_.tile_columns;
    if (column_ < tiling_.columns) return;
    column_ = 0;
    row_ += tiling_.tile_rows;
    if (row_ < tiling_.rows) return;
    row_ = 0;
    for (int dimension = tiling_.outer - 1; dimension >= 0; --dimension) {
      if (++outer_[dimension] < tiling_.sizes[dimension]) return;
      outer_[dimension] = 0;
    }
  }

  std::int64_t rows() const {
    const std::int64_t left = tiling_.rows - row_;
    return left < tiling_.tile_rows ? left : tiling_.tile_rows;
  }
  std::int64_t columns() const {
    const std::int64_t left = tiling_.columns - column_;
    return left < tiling_.tile_columns ? left : tiling_.tile_columns;
  }
  /// Of the tile's first element, in an operand.
  std::int64_t offset(const std::int64_t* strides, Layout layout) const {
    std::int64_t offset = row_ * layout.row + column_ * layout.column;
    for (int dimension = 0; dimension < tiling_.outer; ++dimension) {
      offset += outer_[dimension] * strides[dimension];
    }
    return offset;
  }

 private:
  const Tiling& tiling_;
  std::int64_t outer_[Tiling::kMostOuter];
  std::int64_t row_;
  std::int64_t column_;
};

/// Calls `run` with the Position of each tile of this share.
template <typename Run>
inline void for_each_tile(const Tiling& tiling, Share share, Run run) {
  const std::int64_t begin = tiling.tiles * share.index / share.count;
  const std::int64_t end = tiling.tiles * (share.index + 1) / share.count;
  if (begin == end) return;
  Position position(tiling, begin);
  for (std::int64_t tile = begin; tile < end; ++tile, position.advance()) run(position);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
