// Products with a packed matrix of int8.
//
// Note [Quantised products]
// With a[row][k] = row_scale * (q[row][k] - zero_point) and b[k][column] = column_scale *
// w[k][column]
//   c[row][column] = row_scale * column_scale * (sum over k of q * w - zero_point * sum over k of
//   w),
// whole numbers but for the scales; the sums of w are kept in the packed matrix. Four numbers of k
// are one word, so that the loop is the microkernel's (microkernel.h) with words in place of
// floats, of which there are a quarter. A panel of `width` columns, kPanel or the only one, is
//   scales [width], sums of w [chunks][width], w [words][width]:
// k is summed in chunks, short enough for sums of 32 bits, and those of several chunks in floats.

#include "compute/isa/matrix_int8.h"

#include <cstdint>

#include "compute/isa/epilogue.h"
#include "compute/isa/products.h"
#include "compute/isa/quantised.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Words of a chunk: 2 * 127 * 127 times the numbers is less than 2^31.
constexpr std::int64_t kChunk = 16 * 1024;

/// The size of a panel.
struct PanelSize {
  std::int64_t width, chunks, words;

  PanelSize(std::int64_t k, std::int64_t n)
      : width(n == 1 ? 1 : kPanel), chunks(0), words(divide_up(k, kWordNumbers)) {
    if (n == 1) words = divide_up(words, kLanes) * kLanes;  // Read in vectors.
    chunks = divide_up(words, kChunk);
  }
  std::int64_t sums() const { return width; }  ///< Where they begin.
  std::int64_t numbers() const { return width * (1 + chunks); }
  std::int64_t floats() const { return width * (1 + chunks + words); }
  /// Of a row of a that is multiplied with it.
  std::int64_t row_size() const { return kRowHeaderSize + words; }
};

/// Packs one column of a panel, the index-th.
void pack_column(const float* from, std::int64_t k, std::int64_t stride, const PanelSize& size,
                 std::int64_t index, float* panel) {
  float largest = 0, check = 0;
  for (std::int64_t i = 0; i < k; ++i) {
    const float magnitude = __builtin_fabsf(from[i * stride]);
    check += magnitude * 0.0f;
    if (magnitude > largest) largest = magnitude;
  }
  const bool is_finite = check == 0;
  float scale = largest / kLargestQuantised;
  if (scale < kLeastScale) scale = kLeastScale;
  panel[index] = is_finite ? scale : kNotANumber;
  auto* const sums = reinterpret_cast<Word*>(panel + size.sums()) + index;
  auto* const words = reinterpret_cast<std::int8_t*>(panel + size.numbers() + index);
  for (std::int64_t chunk = 0; chunk < size.chunks; ++chunk) sums[chunk * size.width] = 0;
  for (std::int64_t i = 0; i < size.words * kWordNumbers; ++i) {
    const std::int64_t word = i / kWordNumbers;
    std::int32_t number = 0;
    if (is_finite && i < k) number = nearest(broadcast(from[i * stride] / scale))[0];
    words[word * size.width * kWordNumbers + i % kWordNumbers] = static_cast<std::int8_t>(number);
    sums[word / kChunk * size.width] += number;
  }
}

struct QuantisedTile {
  const float* const* rows = nullptr;  ///< As quantise_row() wrote them.
  const float* panel = nullptr;        ///< The first, of tile_panels(rows).
  const PanelSize* size = nullptr;
  std::int64_t columns = 0;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  float scale = 1;
  Epilogue epilogue;  ///< epilogue_at() this tile.
};

/// The sums of a chunk.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void sum_chunk(const QuantisedTile& tile, std::int64_t first,
                                             std::int64_t last, IntVec (&sums)[kRows * kVectors]) {
  const float* row[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) row[r] = tile.rows[r] + kRowHeaderSize;
  const std::int64_t stride = tile.size->floats();
  const float* b = tile.panel + tile.size->numbers() + first * kPanel;
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) sums[i] = IntVec{};
  for (std::int64_t word = first; word < last; ++word, b += kPanel) {
    IntVec weights[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) weights[v] = load_words(b + v / 2 * stride + v % 2 * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const IntVec numbers = broadcast(reinterpret_cast<const Word*>(row[r])[word]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        sums[r * kVectors + v] = add_products(sums[r * kVectors + v], numbers, weights[v]);
      }
    }
  }
}

template <int kRows, int kVectors>
[[gnu::noinline]] void compute_tile_of(const QuantisedTile& tile) {
  const PanelSize& size = *tile.size;
  const auto at = [&](std::int64_t offset, int v) {
    return tile.panel + v / 2 * size.floats() + offset + v % 2 * kLanes;
  };
  Vec totals[kRows * kVectors] = {};
  std::int64_t chunk = 0;
  do {
    IntVec sums[kRows * kVectors];
    sum_chunk<kRows, kVectors>(tile, chunk * kChunk, smaller_of((chunk + 1) * kChunk, size.words),
                               sums);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      IntVec of_column{};
      if (size.chunks > 0) of_column = load_words(at(size.sums() + chunk * kPanel, v));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const IntVec sum = sums[r * kVectors + v] - row_header(tile.rows[r]).zero_point * of_column;
        totals[r * kVectors + v] += __builtin_convertvector(sum, Vec);
      }
    }
  } while (++chunk < size.chunks);
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    const Vec scale = load(at(0, v));
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      totals[r * kVectors + v] = totals[r * kVectors + v] * scale * row_header(tile.rows[r]).scale;
    }
  }
  finish<kRows, kVectors>(totals, tile.scale, tile.epilogue, tile.c, tile.c_stride, tile.columns);
}

/// compute_tile_of<rows, kVectors>, rows from 1 to kMost.
template <int kMost, int kVectors>
void compute_tile_of_rows(int rows, const QuantisedTile& tile) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return compute_tile_of_rows<kMost - 1, kVectors>(rows, tile);
  }
  compute_tile_of<kMost, kVectors>(tile);
}

/// As compute_tile() of microkernel.h.
void compute_tile(int rows, const QuantisedTile& tile) {
  if (tile.columns <= kLanes) return compute_tile_of_rows<kNarrowTileRows, 1>(rows, tile);
  if (tile.columns <= kPanel) return compute_tile_of_rows<kTileRows, 2>(rows, tile);
  if (tile.columns <= 2 * kPanel) return compute_tile_of_rows<3, 4>(rows, tile);
  if (tile.columns <= 3 * kPanel) return compute_tile_of<1, 6>(tile);
  compute_tile_of<1, 8>(tile);
}

/// The tiles of some rows, which `quantised` has, over some columns of one panel (or of several,
/// for few rows).
void multiply_panel(const Product& product, const PanelSize& size, const float* quantised,
                    Range rows, std::int64_t column, std::int64_t columns) {
  const Pieces tiles(rows.size(), tile_rows(columns));
  QuantisedTile tile;
  tile.panel = product.b + column / kPanel * size.floats();
  tile.size = &size;
  tile.columns = columns;
  tile.c_stride = product.c_stride;
  tile.scale = product.scale;
  for (std::int64_t i = 0; i < tiles.count; ++i) {
    const std::int64_t first = tiles.begin(i);
    const int count = static_cast<int>(tiles.size + (i < tiles.larger));
    const float* starts[kMostTileRows];
    for (int r = 0; r < count; ++r) starts[r] = quantised + (first + r) * size.row_size();
    tile.rows = starts;
    tile.c = product.c + (rows.begin + first) * product.c_stride + column;
    tile.epilogue = epilogue_at(product.epilogue, rows.begin + first, column);
    compute_tile(count, tile);
  }
}

/// What a row makes with the only column.
float multiply_column(const float* row, const float* column, const PanelSize& size) {
  const float* const numbers = row + kRowHeaderSize;
  const float* const weights = column + size.numbers();
  const auto* const sums_of_column = reinterpret_cast<const Word*>(column + size.sums());
  const RowHeader header = row_header(row);
  float total = 0;
  for (std::int64_t chunk = 0; chunk < size.chunks; ++chunk) {
    const std::int64_t last = smaller_of((chunk + 1) * kChunk, size.words);
    IntVec sums{};
    for (std::int64_t word = chunk * kChunk; word < last; word += kLanes) {
      sums = add_products(sums, load_words(numbers + word), load_words(weights + word));
    }
    std::int32_t sum = -header.zero_point * sums_of_column[chunk];
    for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
    total += static_cast<float>(sum);
  }
  return total * column[0] * header.scale;
}

/// Of a b of one column: kLanes rows at a time.
void multiply_rows_by_column(const Product& product, const PanelSize& size, Share share,
                             float* scratch) {
  const Range groups = part_of(divide_up(product.m, kLanes), share.index, share.count);
  for (std::int64_t row = groups.begin * kLanes; row < groups.end * kLanes; row += kLanes) {
    const std::int64_t count = smaller_of(product.m - row, kLanes);
    Vec sums{};
    for (int r = 0; r < count; ++r) {
      quantise_row(product.a + (row + r) * product.a_stride, product.k, scratch, size.words);
      sums[r] = multiply_column(scratch, product.b, size);
    }
    finish_column(sums, product.scale, product.epilogue, row, product.c, product.c_stride, count);
  }
}

std::int64_t most_block_rows(const Product& product, const PanelSize& size) {
  return rows_of_block(product.m, size.row_size() + product.n);
}

}  // namespace

std::int64_t packed_int8_size(std::int64_t k, std::int64_t n) {
  const PanelSize size(k, n);
  return divide_up(n, size.width) * size.floats();
}

void pack_int8(const Unpacked& matrix, float* packed) {
  const PanelSize size(matrix.k, matrix.n);
  for (std::int64_t column = 0; column < divide_up(matrix.n, size.width) * size.width; ++column) {
    const bool is_given = column < matrix.n;  // Columns of zeros fill up the last panel.
    pack_column(matrix.data + (is_given ? column * matrix.n_stride : 0), is_given ? matrix.k : 0,
                matrix.k_stride, size, column % size.width,
                packed + column / size.width * size.floats());
  }
}

std::int64_t multiply_int8_scratch(const Product& product) {
  const PanelSize size(product.k, product.n);
  if (product.n == 1) return size.row_size();
  return smaller_of(most_block_rows(product, size), product.m) * size.row_size();
}

void multiply_int8(const Product& product, Share share, float* scratch) {
  const PanelSize size(product.k, product.n);
  if (product.n == 1) return multiply_rows_by_column(product, size, share, scratch);
  // A row takes as long to be quantised as to be multiplied with a panel, which takes as long to be
  // read as some rows.
  constexpr Overhead kOverhead = {.of_row = 1, .of_panel = 3};
  const Part part = part_of_product(product, share, kOverhead);
  for_each_block(
      part, product.n, most_block_rows(product, size), tile_panels(part.rows.size()),
      [&](Range rows) {
        for (std::int64_t row = rows.begin; row < rows.end; ++row) {
          quantise_row(product.a + row * product.a_stride, product.k,
                       scratch + (row - rows.begin) * size.row_size(), size.words);
        }
      },
      [&](Range rows, std::int64_t column, std::int64_t columns) {
        multiply_panel(product, size, scratch, rows, column, columns);
      });
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
