#include <cstdint>

#include "compute/isa/copy_row.h"
#include "compute/isa/entries.h"
#include "compute/isa/tiles.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

// Elements are moved as floats: what their bits mean is never looked at.

/// A copy whose dimensions are in the order of the result's memory, as few as can be.
struct Plan {
  int dimensions = 0;
  std::int64_t sizes[Copying::kMostDimensions];
  std::int64_t from[Copying::kMostDimensions];
  std::int64_t to[Copying::kMostDimensions];

  void move(int source, int target) {
    sizes[target] = sizes[source];
    from[target] = from[source];
    to[target] = to[source];
  }
  /// Puts a dimension at `target`; those from there on move back.
  void insert(int target, std::int64_t size, std::int64_t from_stride, std::int64_t to_stride) {
    for (int dimension = dimensions++; dimension > target; --dimension)
      move(dimension - 1, dimension);
    sizes[target] = size;
    from[target] = from_stride;
    to[target] = to_stride;
  }
};

Plan in_order(const Copying& copying) {
  Plan sorted;
  for (int dimension = 0; dimension < copying.dimensions; ++dimension) {
    if (copying.sizes[dimension] == 1) continue;
    int target = sorted.dimensions;
    while (target > 0 && sorted.to[target - 1] < copying.to_strides[dimension]) --target;
    sorted.insert(target, copying.sizes[dimension], copying.from_strides[dimension],
                  copying.to_strides[dimension]);
  }
  Plan plan;
  for (int dimension = 0; dimension < sorted.dimensions; ++dimension) {
    const int last = plan.dimensions - 1;
    const std::int64_t size = sorted.sizes[dimension];
    if (last >= 0 && plan.from[last] == sorted.from[dimension] * size &&
        plan.to[last] == sorted.to[dimension] * size) {
      plan.sizes[last] *= size;
      plan.from[last] = sorted.from[dimension];
      plan.to[last] = sorted.to[dimension];
    } else {
      plan.insert(plan.dimensions, size, sorted.from[dimension], sorted.to[dimension]);
    }
  }
  return plan;
}

/// A copy of rows and columns.
struct Block {
  const float* from;
  float* to;
  std::int64_t rows, columns;
  Layout from_layout, to_layout;
};

void fill_row(float value, float* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, broadcast(value));
  for (; i < count; ++i) to[i] = value;
}

void copy_rows(Block block) {
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const float* const from = block.from + row * block.from_layout.row;
    float* const to = block.to + row * block.to_layout.row;
    if (block.from_layout.column == 1) {
      copy_row(from, to, block.columns);
    } else {
      fill_row(*from, to, block.columns);
    }
  }
}

void copy_elements(Block block) {
  if (block.rows > block.columns) {  // The longer dimension inside.
    block = {block.from,
             block.to,
             block.columns,
             block.rows,
             {block.from_layout.column, block.from_layout.row},
             {block.to_layout.column, block.to_layout.row}};
  }
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const float* const from = block.from + row * block.from_layout.row;
    float* const to = block.to + row * block.to_layout.row;
    for (std::int64_t column = 0; column < block.columns; ++column) {
      to[column * block.to_layout.column] = from[column * block.from_layout.column];
    }
  }
}

// Squares that are transposed in registers.
#if defined(__AVX2__)
constexpr int kSide = 8;
#else
constexpr int kSide = 4;
#endif
using Line = float __attribute__((vector_size(kSide * 4)));
using LooseLine = float __attribute__((vector_size(kSide * 4), aligned(4), may_alias));

/// Pairs of lines are interleaved, then pairs of pairs; then halves change places.
inline void transpose(Line (&lines)[kSide]) {
#if defined(__AVX2__)
  Line pairs[kSide], fours[kSide];
  for (int i = 0; i < kSide; i += 2) {
    pairs[i] = __builtin_shufflevector(lines[i], lines[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(lines[i], lines[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < kSide; i += 4) {
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] =
          __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] =
          __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    lines[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    lines[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  const Line a = __builtin_shufflevector(lines[0], lines[1], 0, 4, 1, 5);
  const Line b = __builtin_shufflevector(lines[0], lines[1], 2, 6, 3, 7);
  const Line c = __builtin_shufflevector(lines[2], lines[3], 0, 4, 1, 5);
  const Line d = __builtin_shufflevector(lines[2], lines[3], 2, 6, 3, 7);
  lines[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  lines[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  lines[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  lines[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
#endif
}

/// Rows are contiguous in the result, columns in what is read.
void transpose_square(const float* from, std::int64_t from_stride, float* to,
                      std::int64_t to_stride) {
  Line lines[kSide];
  for (int i = 0; i < kSide; ++i)
    lines[i] = *reinterpret_cast<const LooseLine*>(from + i * from_stride);
  transpose(lines);
  for (int i = 0; i < kSide; ++i) *reinterpret_cast<LooseLine*>(to + i * to_stride) = lines[i];
}

/// As for copy_rows, where it is the rows' dimension that has stride 1 in what is read.
void transpose_block(Block block) {
  constexpr std::int64_t kWidth = 16;  // Squares side by side fill a line of the cache.
  const std::int64_t from_stride = block.from_layout.column;
  const std::int64_t to_stride = block.to_layout.row;
  const std::int64_t rows = block.rows / kSide * kSide;
  const std::int64_t columns = block.columns / kSide * kSide;
  for (std::int64_t column = 0; column < columns; column += kWidth) {
    const std::int64_t end = columns - column < kWidth ? columns : column + kWidth;
    for (std::int64_t row = 0; row < rows; row += kSide) {
      for (std::int64_t at = column; at < end; at += kSide) {
        transpose_square(block.from + row + at * from_stride, from_stride,
                         block.to + row * to_stride + at, to_stride);
      }
    }
  }
  // What is left to the right, then below.
  Block rest = block;
  rest.rows = rows;
  rest.columns = block.columns - columns;
  rest.from += columns * from_stride;
  rest.to += columns;
  copy_elements(rest);
  rest = block;
  rest.rows = block.rows - rows;
  rest.from += rows;
  rest.to += rows * to_stride;
  copy_elements(rest);
}

/// Moves the dimension that is contiguous in what is read beside the last, which is so in the
/// result.
bool bring_transposed_inside(Plan& plan) {
  const int last = plan.dimensions - 1;
  if (last < 1 || plan.to[last] != 1 || plan.from[last] == 1) return false;
  for (int dimension = 0; dimension < last; ++dimension) {
    if (plan.from[dimension] != 1) continue;
    const std::int64_t size = plan.sizes[dimension];
    const std::int64_t to = plan.to[dimension];
    for (int after = dimension; after + 1 < last; ++after) plan.move(after + 1, after);
    plan.sizes[last - 1] = size;
    plan.from[last - 1] = 1;
    plan.to[last - 1] = to;
    return true;
  }
  return false;
}

void run(const Plan& plan, const Copying& copying, const Tiling& tiling, Share share,
         void (*copy_block)(Block)) {
  const Layout from_layout = layout_of(plan.from, plan.dimensions);
  const Layout to_layout = layout_of(plan.to, plan.dimensions);
  for_each_tile(tiling, share, [&](const Position& position) {
    copy_block({static_cast<const float*>(copying.from) + position.offset(plan.from, from_layout),
                static_cast<float*>(copying.to) + position.offset(plan.to, to_layout),
                position.rows(), position.columns(), from_layout, to_layout});
  });
}

}  // namespace

void copy(const Copying& copying, Share share) {
  constexpr std::int64_t kMostColumns = 4096;  // Of elements that a thread takes at once.
  Plan plan = in_order(copying);
  const bool is_transposed = bring_transposed_inside(plan);
  const int last = plan.dimensions - 1;
  const std::int64_t columns = last < 0 ? 1 : plan.sizes[last];
  if (is_transposed) {
    // Few rows, since each begins in another page of the result.
    const std::int64_t rows = 64 * (columns > 0 && columns < 64 ? 64 / columns : 1);
    return run(plan, copying, cut_into_tiles(plan.sizes, plan.dimensions, rows, 256), share,
               transpose_block);
  }
  const std::int64_t rows = columns > 0 && columns < kMostColumns ? kMostColumns / columns : 1;
  const bool has_rows =
      last >= 0 && plan.to[last] == 1 && (plan.from[last] == 1 || plan.from[last] == 0);
  run(plan, copying, cut_into_tiles(plan.sizes, plan.dimensions, rows, kMostColumns), share,
      has_rows ? copy_rows : copy_elements);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
