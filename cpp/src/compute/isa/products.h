#pragma once

// What products of all formats share: their parts and blocks.

#include <cstdint>

#include "compute/isa/microkernel.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// The part of the result that is this share's: where rows are few, columns are split, so that b is
/// read once.
inline Part part_of_product(const Product& product, Share share, Overhead overhead) {
  const std::int64_t panels = divide_up(product.n, kPanel);
  if (share.count == 1) return {{0, product.m}, {0, panels}};
  return part_of_grid(product.m, panels, overhead, share);
}

/// Rows that are multiplied before the next ones: of a and the result, half of the second cache;
/// `row_size` is what a row has of both, in floats.
inline std::int64_t rows_of_block(std::int64_t rows, std::int64_t row_size) {
  constexpr std::int64_t kBlockNumbers = 64 * 1024;
  constexpr std::int64_t kLeastBlockRows = 4 * kTileRows;
  if (rows <= kLeastBlockRows) return rows;
  const std::int64_t most = kBlockNumbers / row_size;
  return most > kLeastBlockRows ? most : kLeastBlockRows;
}

/// Calls run(rows, column, columns) for each block of rows of the part and, within, for each tile's
/// columns, at most `panels`; first start(rows).
template <typename Start, typename Run>
inline void for_each_block(const Part& part, std::int64_t n, std::int64_t most_rows, int panels,
                           Start start, Run run) {
  const std::int64_t rows = part.rows.size();
  if (rows == 0) return;
  const std::int64_t last_column = smaller_of(part.panels.end * kPanel, n);
  const std::int64_t step = panels * kPanel;
  const Pieces blocks(rows, most_rows);
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const Range block_rows{part.rows.begin + blocks.begin(block),
                           part.rows.begin + blocks.begin(block + 1)};
    start(block_rows);
    for (std::int64_t column = part.panels.begin * kPanel; column < last_column; column += step) {
      run(block_rows, column, smaller_of(last_column - column, step));
    }
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
