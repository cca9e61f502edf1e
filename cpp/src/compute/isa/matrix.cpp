// Products with a packed matrix. See Note [Microkernel] in microkernel.h.
//
// Note [Order of a product]
// For each block of rows whose numbers fit the second cache, for each panel of b, for each block of k whose
// part of the panel fits the first cache: all tiles of the rows. So b is read once for each block of rows
// (once in all where rows are few), as one long stream.

#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/microkernel.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

constexpr std::int64_t kBlockDepth = 384;          ///< Of k: times kPanel floats, most of the first cache.
constexpr std::int64_t kBlockNumbers = 64 * 1024;  ///< Of a and the result: half of the second cache.
constexpr std::int64_t kCachedNumbers = 64 * 1024;  ///< Of b: that many need no prefetch.
constexpr std::int64_t kLittle = 512;              ///< Of b.
constexpr std::int64_t kLeastBlockRows = 4 * kTileRows;

std::int64_t larger_of(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

/// The part of the result that is this share's: where rows are few, columns are split, so that b is read
/// once.
Part part_of_product(const Product& product, Share share) {
  const std::int64_t panels = divide_up(product.n, kPanel);
  if (share.count == 1) return {{0, product.m}, {0, panels}};
  constexpr double kRowsOfReading = 4;  // Reading a panel of b takes as long as some rows.
  return part_of_grid(product.m, panels, {0, kRowsOfReading}, share);
}

/// What the tile prefetches, the index-th of `count` that multiply a block of b: its piece of the next
/// block; a tile alone, for which b passes once, what is near ahead.
const float* next_of(const Tile& tile, std::int64_t index, std::int64_t count) {
  constexpr std::int64_t kNear = 64;
  if (count == 1) return tile.b + kNear * kPanel;
  const std::int64_t piece = index * tile.next_step;
  return piece < kPanel ? tile.b + (kPanel + piece) * tile.depth : nullptr;
}

/// The tiles of some rows, over some columns of one panel (or of several, for few rows).
void multiply_panel(const Product& product, Range rows, std::int64_t column, std::int64_t columns,
                    float* scratch) {
  constexpr std::int64_t kOffset = 0;
  const std::int64_t k = product.k;
  const Pieces tiles(rows.size(), tile_rows(columns));
  const Pieces blocks(k, tiles.count == 1 ? k : kBlockDepth);
  Tile tile;
  const bool is_large = k * product.n > kCachedNumbers;
  tile.offsets = &kOffset;
  tile.panel_stride = k * kPanel;
  tile.columns = columns;
  tile.c_stride = product.c_stride;
  tile.scale = product.scale;
  tile.epilogue = epilogue_at(product.epilogue, rows.begin, column);
  const float* const residual = tile.epilogue.residual;
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const std::int64_t depth_begin = blocks.begin(block);
    tile.depth = blocks.begin(block + 1) - depth_begin;
    tile.b = product.b + column * k + depth_begin * kPanel;
    tile.is_first = block == 0;
    tile.is_last = block + 1 == blocks.count;
    tile.next_step = divide_up(kPanel, tiles.count);
    std::int64_t row = rows.begin;
    for (std::int64_t i = 0; i < tiles.count; ++i) {
      const int count = static_cast<int>(tiles.size + (i < tiles.larger));
      const float* starts[kMostTileRows];
      for (int r = 0; r < count; ++r) starts[r] = product.a + (row + r) * product.a_stride + depth_begin;
      tile.rows = starts;
      if (blocks.count > 1) tile.partial = scratch + (row - rows.begin) * kPanel;
      tile.c = product.c + row * product.c_stride + column;
      if (residual != nullptr) {
        tile.epilogue.residual = residual + (row - rows.begin) * tile.epilogue.residual_stride;
      }
      if (is_large) tile.next = next_of(tile, i, tiles.count);
      compute_tile(count, tile);
      row += count;
    }
  }
}

/// One row and few numbers: straight to the sums, for all else would take longer than they do.
void multiply_little(const Product& product) {
  for (std::int64_t column = 0; column < product.n; column += kPanel) {
    const float* b = product.b + column * product.k;
    Vec sums[2] = {};
    for (std::int64_t k = 0; k < product.k; ++k, b += kPanel) {
      const Vec number = broadcast(product.a[k]);
      sums[0] += number * load(b);
      sums[1] += number * load(b + kLanes);
    }
    const std::int64_t columns = smaller_of(product.n - column, kPanel);
    const Epilogue epilogue = epilogue_at(product.epilogue, 0, column);
    float* c = product.c + column;
    if (columns > kLanes) {
      finish<1, 2>(sums, product.scale, epilogue, c, 0, columns);
    } else {
      Vec first[1] = {sums[0]};
      finish<1, 1>(first, product.scale, epilogue, c, 0, columns);
    }
  }
}

std::int64_t most_block_rows(const Product& product) {
  if (product.m <= kLeastBlockRows) return product.m;
  return larger_of(kBlockNumbers / (product.k + product.n), kLeastBlockRows);
}

/// Of a b of one column, which is packed as it is: kLanes rows at a time.
void multiply_column(const Product& product, Share share) {
  const Range groups = part_of(divide_up(product.m, kLanes), share.index, share.count);
  const std::int64_t last = smaller_of(groups.end * kLanes, product.m);
  const Epilogue& epilogue = product.epilogue;
  Epilogue activation;
  activation.activation = epilogue.activation;
  activation.low = epilogue.low;
  activation.high = epilogue.high;
  for (std::int64_t row = groups.begin * kLanes; row < last; row += kLanes) {
    const std::int64_t count = smaller_of(last - row, kLanes);
    const float* a[kLanes];  // What lies beyond the last row is done as that row, and not stored.
    for (int r = 0; r < kLanes; ++r) a[r] = product.a + (row + smaller_of(r, count - 1)) * product.a_stride;
    Vec residual{};
    if (epilogue.residual != nullptr) {
      for (int r = 0; r < count; ++r) residual[r] = epilogue.residual[(row + r) * epilogue.residual_stride];
    }
    Vec result[1] = {multiply_rows(a, product.b, product.k) * product.scale};
    if (epilogue.bias != nullptr) result[0] += epilogue.bias[0];
    if (!epilogue.residual_is_last) result[0] += residual;
    activate(activation, result);
    if (epilogue.residual_is_last) result[0] += residual;
    float* c = product.c + row * product.c_stride;
    if (product.c_stride == 1) {
      store_first(c, result[0], count);
    } else {
      for (int r = 0; r < count; ++r) c[r * product.c_stride] = result[0][r];
    }
  }
}

}  // namespace

std::int64_t packed_matrix_size(std::int64_t k, std::int64_t n) {
  return n == 1 ? divide_up(k, kLanes) * kLanes : divide_up(n, kPanel) * kPanel * k;
}

void pack_matrix(const Unpacked& matrix, float* packed) {
  if (matrix.n == 1) {
    const std::int64_t size = packed_matrix_size(matrix.k, 1);
    for (std::int64_t k = 0; k < size; ++k) packed[k] = k < matrix.k ? matrix.data[k * matrix.k_stride] : 0;
    return;
  }
  for (std::int64_t column = 0; column < matrix.n; column += kPanel) {
    const std::int64_t columns = smaller_of(matrix.n - column, kPanel);
    for (std::int64_t k = 0; k < matrix.k; ++k, packed += kPanel) {
      const float* from = matrix.data + k * matrix.k_stride + column * matrix.n_stride;
      for (std::int64_t i = 0; i < columns; ++i) packed[i] = from[i * matrix.n_stride];
      for (std::int64_t i = columns; i < kPanel; ++i) packed[i] = 0;
    }
  }
}

std::int64_t multiply_scratch(const Product& product) {
  if (product.k <= kBlockDepth || product.n == 1) return 0;
  return smaller_of(most_block_rows(product), product.m) * kPanel;
}

void multiply(const Product& product, Share share, float* scratch) {
  if (product.m <= 0 || product.n <= 0) return;
  if (product.n == 1) return multiply_column(product, share);
  if (product.m == 1 && product.k * product.n <= kLittle) {
    if (share.index == 0) multiply_little(product);
    return;
  }
  const Part part = part_of_product(product, share);
  const std::int64_t rows = part.rows.size();
  if (rows == 0) return;
  const std::int64_t last_column = smaller_of(part.panels.end * kPanel, product.n);
  const std::int64_t step = tile_panels(rows) * kPanel;
  const Pieces blocks(rows, most_block_rows(product));
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const std::int64_t first_row = part.rows.begin + blocks.begin(block);
    const Range block_rows{first_row, part.rows.begin + blocks.begin(block + 1)};
    for (std::int64_t column = part.panels.begin * kPanel; column < last_column; column += step) {
      multiply_panel(product, block_rows, column, smaller_of(last_column - column, step), scratch);
    }
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
