// Attention: softmax(q kT * scale + mask) v.
//
// Note [Attention in blocks]
// The keys and values of a head are packed as a product's b (Note [Microkernel]). Then, for some rows of
// q at a time and for each block of columns: scores, their exponentials, and these times the values, all
// in the first cache. A row's scores are taken relative to the largest one seen so far; where a later
// block has a larger one, what was added up before is scaled down. Rows are divided by their sums at the
// end. So few rows that packing would cost more than it saves are done one by one, from keys and values
// as they are.

#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/lanes.h"
#include "compute/isa/math.h"
#include "compute/isa/microkernel.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

constexpr std::int64_t kBlockRows = 24;
constexpr std::int64_t kBlockColumns = 256;
/// Rows at powers of two would share a cache's sets.
constexpr std::int64_t kScoresStride = kBlockColumns + kLanes;
constexpr std::int64_t kFewRows = 3;
constexpr int kWideVectors = 4;

std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

/// One head's matrices.
struct Head {
  const float* q;
  const float* k;
  const float* v;
  const float* mask;
  float* result;
};

Head head_of(const Attention& attention, std::int64_t batch, std::int64_t head, std::int64_t key_head) {
  const auto at = [batch](const float* data, const std::int64_t* strides, std::int64_t index) {
    return data == nullptr ? nullptr : data + batch * strides[0] + index * strides[1];
  };
  return {at(attention.q, attention.q_strides, head), at(attention.k, attention.k_strides, key_head),
          at(attention.v, attention.v_strides, key_head), at(attention.mask, attention.mask_strides, head),
          attention.result + batch * attention.result_strides[0] + head * attention.result_strides[1]};
}

/// This thread's memory.
struct Scratch {
  float* keys;     ///< [panels of columns][width][kPanel]
  float* values;   ///< [panels of value_width][columns][kPanel]
  float* scores;   ///< [kBlockRows][kScoresStride]
  float* results;  ///< [panels of value_width][kBlockRows][kPanel]
};

std::int64_t keys_size(const Attention& of) { return round_up(of.columns, kPanel) * of.width; }
std::int64_t values_size(const Attention& of) { return round_up(of.value_width, kPanel) * of.columns; }
constexpr std::int64_t kScoresSize = kBlockRows * kScoresStride;
std::int64_t results_size(const Attention& of) { return round_up(of.value_width, kPanel) * kBlockRows; }

Scratch scratch_in(const Attention& of, float* memory) {
  float* const values = memory + keys_size(of);
  float* const scores = values + values_size(of);
  return {memory, values, scores, scores + kScoresSize};
}

void pack_keys(const Attention& attention, const float* keys, float* packed) {
  const std::int64_t stride = attention.k_strides[2];
  for (std::int64_t column = 0; column < round_up(attention.columns, kPanel); column += kLanes) {
    const std::int64_t count = attention.columns - column;
    float* to = packed + column / kPanel * kPanel * attention.width + column % kPanel;
    for (std::int64_t k = 0; k < attention.width; k += kLanes) {
      const std::int64_t depth = smaller_of(attention.width - k, kLanes);
      Vec square[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        square[i] = i < count ? load_first(keys + (column + i) * stride + k, depth) : Vec{};
      }
      transpose(square);
      for (int i = 0; i < depth; ++i) store(to + (k + i) * kPanel, square[i]);
    }
  }
}

void pack_values(const Attention& attention, const float* values, float* packed) {
  for (std::int64_t panel = 0; panel < attention.value_width; panel += kPanel) {
    const std::int64_t width = attention.value_width - panel;
    for (std::int64_t column = 0; column < attention.columns; ++column, packed += kPanel) {
      const float* from = values + column * attention.v_strides[2] + panel;
      store(packed, load_first(from, width));
      store(packed + kLanes, width > kLanes ? load_first(from + kLanes, width - kLanes) : Vec{});
    }
  }
}

/// The softmax of a row of which only some columns have been seen.
struct Softmax {
  float largest = -kInfinity;
  float sum = 0;

  /// What the sums of the whole row are to be multiplied by.
  float factor(float unseen) const { return sum == 0 ? unseen : 1 / sum; }

  /// Makes exponentials of `total` scores, of which the first `count` are seen and the others become 0;
  /// there is room up to a multiple of kLanes. Returns what all that came before is to be multiplied by.
  float take(float* scores, std::int64_t count, std::int64_t total) {
    const std::int64_t padded = round_up(count, kLanes);
    for (std::int64_t i = count; i < padded; ++i) scores[i] = -kInfinity;
    for (std::int64_t i = padded; i < total; ++i) scores[i] = 0;
    Vec maxima[4] = {broadcast(largest), broadcast(largest), broadcast(largest), broadcast(largest)};
    std::int64_t i = 0;
    for (; i + 4 * kLanes <= padded; i += 4 * kLanes) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) maxima[j] = at_least(load(scores + i + j * kLanes), maxima[j]);
    }
    for (; i < padded; i += kLanes) maxima[0] = at_least(load(scores + i), maxima[0]);
    const float before = largest;
    largest = largest_lane(at_least(at_least(maxima[0], maxima[1]), at_least(maxima[2], maxima[3])));
    // Where all that was seen is masked there is nothing to be relative to; its exponentials are 0.
    const Vec reference = broadcast(largest == -kInfinity ? 0 : largest);
    const float factor = exponential(broadcast(before) - reference)[0];

    Vec sums[2] = {};
    for (i = 0; i + 2 * kLanes <= padded; i += 2 * kLanes) {
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        const Vec weight = exponential(load(scores + i + j * kLanes) - reference);
        store(scores + i + j * kLanes, weight);
        sums[j] += weight;
      }
    }
    if (i < padded) {
      const Vec weight = exponential(load(scores + i) - reference);
      store(scores + i, weight);
      sums[0] += weight;
    }
    sum = sum * factor + sum_of_lanes(sums[0] + sums[1]);
    return factor;
  }
};

/// Columns that a row sees, of those from `first` to `last`.
std::int64_t seen(const Attention& attention, std::int64_t row, std::int64_t first, std::int64_t last) {
  const std::int64_t end = attention.is_causal ? smaller_of(last, row + 1) : last;
  return end > first ? end - first : 0;
}

/// Adds a mask whose columns are not contiguous.
void add_mask(const Attention& attention, const float* mask, float* scores, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) scores[i] += mask[i * attention.mask_strides[3]];
}

/// Scores of some rows and columns.
void score(const Attention& attention, const Head& head, Range rows, Range columns,
           const Scratch& scratch) {
  constexpr std::int64_t kOffset = 0;
  const bool has_mask = head.mask != nullptr;
  const bool adds_mask_at_once = has_mask && attention.mask_strides[3] == 1;
  Tile tile;
  tile.offsets = &kOffset;
  tile.depth = attention.width;
  tile.c_stride = kScoresStride;
  tile.scale = attention.scale;
  tile.epilogue.residual_stride = attention.mask_strides[2];
  for (std::int64_t column = columns.begin; column < columns.end; column += kPanel) {
    tile.columns = smaller_of(columns.end - column, kPanel);
    tile.b = scratch.keys + column * attention.width;
    const Pieces tiles(rows.size(), tile_rows(tile.columns));
    for (std::int64_t i = 0; i < tiles.count; ++i) {
      const std::int64_t row = rows.begin + tiles.begin(i);
      const std::int64_t count = tiles.begin(i + 1) - tiles.begin(i);
      const float* starts[kMostTileRows];
      for (int r = 0; r < count; ++r) starts[r] = head.q + (row + r) * attention.q_strides[2];
      tile.rows = starts;
      tile.c = scratch.scores + (row - rows.begin) * kScoresStride + column - columns.begin;
      if (adds_mask_at_once) tile.epilogue.residual = head.mask + row * attention.mask_strides[2] + column;
      compute_tile(static_cast<int>(count), tile);
    }
  }
  if (!has_mask || adds_mask_at_once) return;
  const float* first = head.mask + columns.begin * attention.mask_strides[3];
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* mask = first + row * attention.mask_strides[2];
    add_mask(attention, mask, scratch.scores + (row - rows.begin) * kScoresStride, columns.size());
  }
}

/// results (+)= exponentials times values.
void add_values(const Attention& attention, std::int64_t rows, Range columns, const Scratch& scratch) {
  constexpr std::int64_t kOffset = 0;
  Tile tile;
  tile.offsets = &kOffset;
  tile.depth = columns.size();
  tile.is_first = columns.begin == 0;
  tile.is_last = false;
  for (std::int64_t panel = 0; panel < attention.value_width; panel += kPanel) {
    tile.columns = smaller_of(attention.value_width - panel, kPanel);
    tile.b = scratch.values + panel * attention.columns + columns.begin * kPanel;
    const Pieces tiles(rows, tile_rows(tile.columns));
    for (std::int64_t i = 0; i < tiles.count; ++i) {
      const std::int64_t row = tiles.begin(i), count = tiles.begin(i + 1) - row;
      const float* starts[kMostTileRows];
      for (int r = 0; r < count; ++r) starts[r] = scratch.scores + (row + r) * kScoresStride;
      tile.rows = starts;
      tile.partial = scratch.results + panel * kBlockRows + row * kPanel;
      compute_tile(static_cast<int>(count), tile);
    }
  }
}

/// to = from * factor, which lies in panels that are `panel_stride` apart.
void scale_row(const float* from, std::int64_t panel_stride, float factor, float* to,
               std::int64_t to_stride, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const Vec value = load(from + i / kPanel * panel_stride + i % kPanel) * factor;
    store_first(to + i / kPanel * to_stride + i % kPanel, value, count - i);
  }
}

/// Some rows of a head whose keys and values are packed.
void attend_rows(const Attention& attention, const Head& head, Range rows, const Scratch& scratch) {
  constexpr std::int64_t kStride = kBlockRows * kPanel;
  const std::int64_t width = attention.value_width;
  const std::int64_t last_column = seen(attention, rows.end - 1, 0, attention.columns);
  Softmax softmax[kBlockRows];
  for (std::int64_t column = 0; column < last_column; column += kBlockColumns) {
    const Range columns{column, smaller_of(column + kBlockColumns, last_column)};
    score(attention, head, rows, columns, scratch);
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      const std::int64_t count = seen(attention, rows.begin + i, columns.begin, columns.end);
      const float factor = softmax[i].take(scratch.scores + i * kScoresStride, count, columns.size());
      if (column == 0 || factor == 1) continue;
      float* result = scratch.results + i * kPanel;
      scale_row(result, kStride, factor, result, kStride, width);
    }
    add_values(attention, rows.size(), columns, scratch);
  }
  for (std::int64_t i = 0; i < rows.size(); ++i) {
    float* to = head.result + (rows.begin + i) * attention.result_strides[2];
    scale_row(scratch.results + i * kPanel, kStride, softmax[i].factor(attention.unseen), to, kPanel, width);
  }
}

/// result = factor * (weights times as many rows), kVectors wide; in two sums, so that fewer wait for one
/// another.
template <int kVectors>
void combine_rows(const float* weights, const float* rows, std::int64_t stride, std::int64_t count,
                  float factor, float* result, std::int64_t width) {
  Vec sums[2][kVectors] = {};
  const auto add = [&](Vec(&sum)[kVectors], std::int64_t row) {
    const Vec weight = broadcast(weights[row]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const float* from = rows + row * stride + v * kLanes;
      sum[v] += weight * (kVectors > 1 ? load(from) : load_first(from, width));
    }
  };
  std::int64_t row = 0;
  for (; row + 2 <= count; row += 2) {
    add(sums[0], row);
    add(sums[1], row + 1);
  }
  if (row < count) add(sums[0], row);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Vec value = (sums[0][v] + sums[1][v]) * factor;
    store_first(result + v * kLanes, value, width - v * kLanes);
  }
}

/// One row, from keys and values as they are.
void attend_row(const Attention& attention, const Head& head, std::int64_t row, float* scores) {
  const std::int64_t columns = seen(attention, row, 0, attention.columns);
  const float* q = head.q + row * attention.q_strides[2];
  for (std::int64_t column = 0; column < columns; column += kLanes) {
    const float* keys[kLanes];  // What lies beyond the last column is done as that one.
    for (int i = 0; i < kLanes; ++i) {
      keys[i] = head.k + smaller_of(column + i, columns - 1) * attention.k_strides[2];
    }
    store(scores + column, multiply_rows(keys, q, attention.width) * attention.scale);
  }
  if (head.mask != nullptr) {
    add_mask(attention, head.mask + row * attention.mask_strides[2], scores, columns);
  }
  Softmax softmax;
  softmax.take(scores, columns, columns);
  const float factor = softmax.factor(attention.unseen);
  float* result = head.result + row * attention.result_strides[2];
  const std::int64_t stride = attention.v_strides[2], width = attention.value_width;
  std::int64_t i = 0;
  for (; i + kWideVectors * kLanes <= width; i += kWideVectors * kLanes) {
    combine_rows<kWideVectors>(scores, head.v + i, stride, columns, factor, result + i, width - i);
  }
  for (; i < width; i += kLanes) {
    combine_rows<1>(scores, head.v + i, stride, columns, factor, result + i, width - i);
  }
}

/// Softmax of nothing, times nothing.
void clear(const Attention& attention, const Head& head, Range rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    float* result = head.result + row * attention.result_strides[2];
    for (std::int64_t i = 0; i < attention.value_width; ++i) result[i] = 0;
  }
}

/// Blocks of rows are smaller where there are too few to be divided among threads evenly.
Pieces blocks_of_rows(const Attention& attention, Share share) {
  const bool is_even = attention.batch * attention.heads % share.count == 0;
  return {attention.rows, is_even ? kBlockRows : kBlockRows / 2};
}

}  // namespace

std::int64_t attend_scratch(const Attention& attention) {
  if (attention.rows <= kFewRows) return round_up(attention.columns, kLanes);
  return keys_size(attention) + values_size(attention) + kScoresSize + results_size(attention);
}

void attend(const Attention& attention, Share share, float* memory) {
  if (attention.rows <= 0) return;
  const Pieces blocks = blocks_of_rows(attention, share);
  const std::int64_t heads = attention.batch * attention.heads;
  const std::int64_t group = attention.key_heads > 0 ? attention.heads / attention.key_heads : 1;
  const auto rows_of = [&](std::int64_t block) {
    return Range{blocks.begin(block), blocks.begin(block + 1)};
  };
  const auto cost = [&](std::int64_t block) {
    return 1 + seen(attention, rows_of(block).end, 0, attention.columns);
  };
  std::int64_t cost_of_all = 0;
  for (std::int64_t block = 0; block < blocks.count; ++block) cost_of_all += cost(block) * heads;

  std::int64_t cost_before = 0;
  const float* packed = nullptr;  // The keys that are, and their values.
  for (std::int64_t index = 0; index < heads; ++index) {
    const std::int64_t head_index = index % attention.heads;
    const Head head = head_of(attention, index / attention.heads, head_index, head_index / group);
    if (head_index % group == 0) packed = nullptr;
    for (std::int64_t block = 0; block < blocks.count; ++block) {
      const std::int64_t middle = cost_before + cost(block) / 2;
      cost_before += cost(block);
      if (middle * share.count / cost_of_all != share.index) continue;
      if (attention.columns <= 0) {
        clear(attention, head, rows_of(block));
      } else if (attention.rows <= kFewRows) {
        for (std::int64_t row = 0; row < attention.rows; ++row) attend_row(attention, head, row, memory);
      } else {
        const Scratch scratch = scratch_in(attention, memory);
        if (packed != head.k) {
          pack_keys(attention, head.k, scratch.keys);
          pack_values(attention, head.v, scratch.values);
        }
        packed = head.k;
        attend_rows(attention, head, rows_of(block), scratch);
      }
    }
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
