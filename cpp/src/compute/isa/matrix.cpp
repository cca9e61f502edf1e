// Products with a packed matrix of float32 or bfloat16. See Note [Microkernel] in microkernel.h.
//
// Note [Order of a product]
// For each block of rows whose numbers fit the second cache, for each panel of b, for each block of k whose
// part of the panel fits the first cache: all tiles of the rows. So b is read once for each block of rows
// (once in all where rows are few), as one long stream.

#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/matrix_int8.h"
#include "compute/isa/microkernel.h"
#include "compute/isa/products.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/isa/weights.h"
#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

constexpr std::int64_t kBlockDepth = 384;          ///< Of k: times kPanel floats, most of the first cache.
constexpr std::int64_t kCachedNumbers = 64 * 1024;  ///< Of b: that many need no prefetch.
constexpr std::int64_t kLittle = 512;              ///< Of b.

/// What the tile prefetches, the index-th of `count` that multiply a block of b: its piece of the next
/// block; a tile alone, for which b passes once, what is near ahead.
template <typename Weights>
const float* next_of(const Tile& tile, std::int64_t index, std::int64_t count) {
  constexpr std::int64_t kNear = 64;
  if (count == 1) return tile.b + kNear * Weights::kRowSize;
  const std::int64_t piece = index * tile.next_step;
  return piece < Weights::kRowSize ? tile.b + (Weights::kRowSize + piece) * tile.depth : nullptr;
}

/// The tiles of some rows, over some columns of one panel (or of several, for few rows).
template <typename Weights>
void multiply_panel(const Product& product, Range rows, std::int64_t column, std::int64_t columns,
                    float* scratch) {
  constexpr std::int64_t kOffset = 0;
  const std::int64_t k = product.k;
  const Pieces tiles(rows.size(), tile_rows(columns));
  const Pieces blocks(k, tiles.count == 1 ? k : kBlockDepth);
  Tile tile;
  const bool is_large = k * product.n > kCachedNumbers;
  tile.offsets = &kOffset;
  tile.panel_stride = k * Weights::kRowSize;
  tile.columns = columns;
  tile.c_stride = product.c_stride;
  tile.scale = product.scale;
  tile.epilogue = epilogue_at(product.epilogue, rows.begin, column);
  const float* const residual = tile.epilogue.residual;
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    const std::int64_t depth_begin = blocks.begin(block);
    tile.depth = blocks.begin(block + 1) - depth_begin;
    tile.b = product.b + (column / kPanel * k + depth_begin) * Weights::kRowSize;
    tile.is_first = block == 0;
    tile.is_last = block + 1 == blocks.count;
    tile.next_step = divide_up(Weights::kRowSize, tiles.count);
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
      if (is_large) tile.next = next_of<Weights>(tile, i, tiles.count);
      compute_tile<Weights>(count, tile);
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

/// Of a b of one column: kLanes rows at a time.
void multiply_column(const Product& product, const float* b, Share share) {
  const Range groups = part_of(divide_up(product.m, kLanes), share.index, share.count);
  const std::int64_t last = smaller_of(groups.end * kLanes, product.m);
  for (std::int64_t row = groups.begin * kLanes; row < last; row += kLanes) {
    const std::int64_t count = smaller_of(last - row, kLanes);
    const float* a[kLanes];  // What lies beyond the last row is done as that row, and not stored.
    for (int r = 0; r < kLanes; ++r) a[r] = product.a + (row + smaller_of(r, count - 1)) * product.a_stride;
    finish_column(multiply_rows(a, b, product.k), product.scale, product.epilogue, row, product.c,
                  product.c_stride, count);
  }
}

/// What a b of one column, which is packed as it is, has as float32.
const float* column_of(const Product& product, float* scratch) {
  if (product.format == Format::float32) return product.b;
  using Weights = BFloat16Weights;
  const float* from = product.b;
  for (float* to = scratch; to < scratch + product.k; to += kPanel, from += Weights::kRowSize) {
    for (int half = 0; half < 2; ++half) store(to + half * kLanes, Weights::half(from, half));
  }
  return scratch;
}

std::int64_t most_block_rows(const Product& product) {
  return rows_of_block(product.m, product.k + product.n);
}

template <typename Weights>
void multiply_part(const Product& product, Share share, float* scratch) {
  constexpr double kRowsOfReading = 4;  // Reading a panel of b takes as long as some rows.
  const Part part = part_of_product(product, share, {0, kRowsOfReading});
  for_each_block(
      part, product.n, most_block_rows(product), tile_panels<Weights>(part.rows.size()), [](Range) {},
      [&](Range rows, std::int64_t column, std::int64_t columns) {
        multiply_panel<Weights>(product, rows, column, columns, scratch);
      });
}

/// kPanel numbers, of which `count` are given and the others 0.
void pack_row(const float* from, std::int64_t stride, std::int64_t count, Format format, float* row) {
  float numbers[kPanel];
  float* to = format == Format::float32 ? row : numbers;
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
  for (std::int64_t i = count; i < kPanel; ++i) to[i] = 0;
  if (format == Format::bfloat16) BFloat16Weights::pack_row(numbers, row);
}

/// kLanes rows of a panel of a matrix whose columns are contiguous, as weights of linear layers are.
void transpose_block(const Unpacked& matrix, std::int64_t k, std::int64_t column, std::int64_t columns,
                     float (&rows)[kLanes][kPanel]) {
  for (int half = 0; half < kPanel; half += kLanes) {
    Vec block[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const float* const from = matrix.data + (column + half + i) * matrix.n_stride + k;
      block[i] = half + i < columns ? load(from) : Vec{};
    }
    transpose(block);
    for (int i = 0; i < kLanes; ++i) store(rows[i] + half, block[i]);
  }
}

/// A column is packed as it is, filled up with zeros.
void pack_column(const Unpacked& matrix, Format format, float* packed) {
  if (format == Format::float32) {
    const std::int64_t size = packed_matrix_size(matrix.k, 1, format);
    for (std::int64_t k = 0; k < size; ++k) packed[k] = k < matrix.k ? matrix.data[k * matrix.k_stride] : 0;
    return;
  }
  for (std::int64_t k = 0; k < matrix.k; k += kPanel, packed += BFloat16Weights::kRowSize) {
    pack_row(matrix.data + k * matrix.k_stride, matrix.k_stride, smaller_of(matrix.k - k, kPanel), format,
             packed);
  }
}

}  // namespace

std::int64_t packed_matrix_size(std::int64_t k, std::int64_t n, Format format) {
  if (format == Format::int8) return packed_int8_size(k, n);
  if (format == Format::bfloat16) return divide_up(n == 1 ? k : n, kPanel) * kLanes * (n == 1 ? 1 : k);
  return n == 1 ? divide_up(k, kLanes) * kLanes : divide_up(n, kPanel) * kPanel * k;
}

void pack_matrix(const Unpacked& matrix, Format format, float* packed) {
  if (format == Format::int8) return pack_int8(matrix, packed);
  if (matrix.n == 1) return pack_column(matrix, format, packed);
  const std::int64_t step =
      format == Format::float32 ? Float32Weights::kRowSize : BFloat16Weights::kRowSize;
  for (std::int64_t column = 0; column < matrix.n; column += kPanel) {
    const std::int64_t columns = smaller_of(matrix.n - column, kPanel);
    std::int64_t k = 0;
    for (; matrix.k_stride == 1 && k + kLanes <= matrix.k; k += kLanes) {
      float rows[kLanes][kPanel];
      transpose_block(matrix, k, column, columns, rows);
      for (int i = 0; i < kLanes; ++i, packed += step) pack_row(rows[i], 1, kPanel, format, packed);
    }
    for (; k < matrix.k; ++k, packed += step) {
      const float* from = matrix.data + k * matrix.k_stride + column * matrix.n_stride;
      pack_row(from, matrix.n_stride, columns, format, packed);
    }
  }
}

std::int64_t multiply_scratch(const Product& product) {
  if (product.format == Format::int8) return multiply_int8_scratch(product);
  if (product.n == 1) return product.format == Format::float32 ? 0 : divide_up(product.k, kPanel) * kPanel;
  if (product.k <= kBlockDepth) return 0;
  return smaller_of(most_block_rows(product), product.m) * kPanel;
}

void multiply(const Product& product, Share share, float* scratch) {
  if (product.m <= 0 || product.n <= 0) return;
  if (product.format == Format::int8) return multiply_int8(product, share, scratch);
  if (product.n == 1) return multiply_column(product, column_of(product, scratch), share);
  if (product.format == Format::bfloat16) return multiply_part<BFloat16Weights>(product, share, scratch);
  if (product.m == 1 && product.k * product.n <= kLittle) {
    if (share.index == 0) multiply_little(product);
    return;
  }
  multiply_part<Float32Weights>(product, share, scratch);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
