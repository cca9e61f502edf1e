#include "compute/resize.h"

#include <cstdint>

#include "compute/isa/copy_row.h"
#include "compute/isa/entries.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

// Note [Resizing]
// Threads split the rows of the result. Each takes some columns at a time, finds out where they
// come from, and writes these columns of all of its rows. Where pixels have fewer channels than a
// small vector, rows are mixed first, many pixels at once, and their columns then one by one.

/// Height or width, before and after.
struct Axis {
  std::int64_t size;
  std::int64_t out_size;
  float scale;  ///< Pixels of the input for one of the result.
  bool align_corners;
};

/// LibTorch's numbers: single precision where it has that (see ATen/native/UpSample.h).
Axis axis_of(std::int64_t size, std::int64_t out_size, double factor, const Resizing& resizing) {
  const bool align_corners = resizing.mode == Resampling::bilinear && resizing.align_corners;
  float scale = static_cast<float>(size) / static_cast<float>(out_size);
  if (align_corners) {
    scale = out_size > 1 ? static_cast<float>(size - 1) / static_cast<float>(out_size - 1) : 0.0f;
  } else if (factor > 0) {
    scale = static_cast<float>(1.0 / factor);
  }
  return {size, out_size, scale, align_corners};
}

std::int64_t nearest(const Axis& axis, std::int64_t index, Resampling mode) {
  float at = 0;
  if (mode == Resampling::nearest_exact) {
    at = static_cast<float>((static_cast<double>(index) + 0.5) * static_cast<double>(axis.scale));
  } else {
    if (axis.out_size == axis.size) return index;
    if (axis.out_size == 2 * axis.size) return index / 2;
    at = static_cast<float>(index) * axis.scale;
  }
  return smaller_of(static_cast<std::int64_t>(at), axis.size - 1);
}

/// Two neighbours, the first of them with the weight 1 - second_weight.
struct Neighbours {
  std::int64_t first;
  std::int64_t second;
  float second_weight;
};

Neighbours neighbours(const Axis& axis, std::int64_t index) {
  if (axis.out_size == axis.size) return {index, index, 0};
  float at = static_cast<float>(index) * axis.scale;
  if (!axis.align_corners) {
    // LibTorch's are multiplied and subtracted with one rounding, as are these at all levels.
    const double centre = static_cast<double>(index) + 0.5;
    at = static_cast<float>(centre * static_cast<double>(axis.scale) - 0.5);
    if (at < 0) at = 0;
  }
  const std::int64_t first = smaller_of(static_cast<std::int64_t>(at), axis.size - 1);
  const float weight = at - static_cast<float>(first);
  return {first, smaller_of(first + 1, axis.size - 1), weight < 1 ? weight : 1};
}

constexpr std::int64_t kMostColumns = 512;
/// Floats of the columns taken at once: the rows that they come from stay in the second cache.
constexpr std::int64_t kColumnFloats = 16384;
/// Floats of a row whose rows are mixed first.
constexpr std::int64_t kMixedFloats = 4096;

/// Columns of the result: where the pixels come from, in floats from their row's first.
struct Columns {
  std::int64_t count = 0;
  std::int64_t first[kMostColumns];
  std::int64_t second[kMostColumns];  ///< Of bilinear alone, as the weights.
  float second_weight[kMostColumns];
};

std::int64_t columns_at_once(const Resizing& resizing) {
  const std::int64_t columns = kColumnFloats / resizing.channels;
  return columns < 16 ? 16 : smaller_of(columns, kMostColumns);
}

void find_nearest(const Axis& axis, const Resizing& resizing, std::int64_t begin,
                  Columns& columns) {
  columns.count = smaller_of(axis.out_size - begin, columns_at_once(resizing));
  for (std::int64_t i = 0; i < columns.count; ++i)
    columns.first[i] = nearest(axis, begin + i, resizing.mode) * resizing.channels;
}

/// As many columns from `begin` on as come from up to `most_floats` of a row.
void find_neighbours(const Axis& axis, const Resizing& resizing, std::int64_t begin,
                     std::int64_t most_floats, Columns& columns) {
  const std::int64_t channels = resizing.channels;
  const std::int64_t most = smaller_of(axis.out_size - begin, columns_at_once(resizing));
  for (columns.count = 0; columns.count < most; ++columns.count) {
    const std::int64_t i = columns.count;
    const Neighbours both = neighbours(axis, begin + i);
    columns.first[i] = both.first * channels;
    columns.second[i] = both.second * channels;
    columns.second_weight[i] = both.second_weight;
    if (columns.second[i] + channels - columns.first[0] > most_floats) break;
  }
}

template <int kChannels>
void pick_pixels(const Columns& columns, const float* row, float* result) {
  for (std::int64_t i = 0; i < columns.count; ++i, result += kChannels) {
    for (int channel = 0; channel < kChannels; ++channel)
      result[channel] = row[columns.first[i] + channel];
  }
}

void pick_pixels(const Columns& columns, const float* row, float* result, std::int64_t channels) {
  switch (channels) {
    case 1: return pick_pixels<1>(columns, row, result);
    case 2: return pick_pixels<2>(columns, row, result);
    case 3: return pick_pixels<3>(columns, row, result);
    case 4: return pick_pixels<4>(columns, row, result);
    default:
      for (std::int64_t i = 0; i < columns.count; ++i, result += channels)
        copy_row(row + columns.first[i], result, channels);
  }
}

using Four = float __attribute__((vector_size(16)));
constexpr std::int64_t kFour = 4;

template <typename Vector>
inline Vector read(const float* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof(Vector));
  return value;
}

/// The four pixels that one of the result is mixed of.
struct Corners {
  const float* pixels[4];
  float weights[4];
};

template <typename Vector>
inline void mix(const Corners& corners, std::int64_t channel, float* result) {
  Vector sum = read<Vector>(corners.pixels[0] + channel) * corners.weights[0];
  for (int i = 1; i < 4; ++i) sum += read<Vector>(corners.pixels[i] + channel) * corners.weights[i];
  __builtin_memcpy(result + channel, &sum, sizeof(Vector));
}

/// The last vector may overlap the one before.
template <typename Vector>
inline void mix_channels(const Corners& corners, std::int64_t channels, float* result) {
  constexpr std::int64_t kSize = sizeof(Vector) / sizeof(float);
  std::int64_t channel = 0;
  for (; channel + kSize <= channels; channel += kSize) mix<Vector>(corners, channel, result);
  if (channel < channels) mix<Vector>(corners, channels - kSize, result);
}

/// Two rows of the input and the second one's weight.
struct Rows {
  const float* first;
  const float* second;
  float second_weight;
};

template <typename Vector>
void mix_pixels(const Columns& columns, Rows rows, std::int64_t channels, float* result) {
  const float bottom = rows.second_weight, top = 1 - bottom;
  for (std::int64_t i = 0; i < columns.count; ++i, result += channels) {
    const float right = columns.second_weight[i], left = 1 - right;
    const Corners corners = {{rows.first + columns.first[i], rows.first + columns.second[i],
                              rows.second + columns.first[i], rows.second + columns.second[i]},
                             {top * left, top * right, bottom * left, bottom * right}};
    mix_channels<Vector>(corners, channels, result);
  }
}

/// For fewer channels than a small vector has: rows first, then columns.
template <int kChannels>
void mix_rows_and_columns(const Columns& columns, Rows rows, float* result) {
  float mixed[kMixedFloats];
  const std::int64_t begin = columns.first[0];
  const std::int64_t count = columns.second[columns.count - 1] + kChannels - begin;
  const float bottom = rows.second_weight, top = 1 - bottom;
  for (std::int64_t i = 0; i < count; ++i)
    mixed[i] = rows.first[begin + i] * top + rows.second[begin + i] * bottom;
  for (std::int64_t i = 0; i < columns.count; ++i, result += kChannels) {
    const float* const left = mixed + columns.first[i] - begin;
    const float* const right = mixed + columns.second[i] - begin;
    const float right_weight = columns.second_weight[i], left_weight = 1 - right_weight;
    for (int channel = 0; channel < kChannels; ++channel)
      result[channel] = left[channel] * left_weight + right[channel] * right_weight;
  }
}

void mix_pixels(const Columns& columns, Rows rows, std::int64_t channels, float* result) {
  switch (channels) {
    case 1: return mix_rows_and_columns<1>(columns, rows, result);
    case 2: return mix_rows_and_columns<2>(columns, rows, result);
    case 3: return mix_rows_and_columns<3>(columns, rows, result);
    default:
      if (channels < kLanes)
        mix_pixels<Four>(columns, rows, channels, result);
      else
        mix_pixels<Vec>(columns, rows, channels, result);
  }
}

void resize_nearest(const Resizing& resizing, Axis y, Axis x, Range rows) {
  const std::int64_t channels = resizing.channels;
  const std::int64_t line = resizing.width * channels, out_line = resizing.out_width * channels;
  Columns columns;
  for (std::int64_t begin = 0; begin < x.out_size; begin += columns.count) {
    find_nearest(x, resizing, begin, columns);
    float* result = resizing.result + rows.begin * out_line + begin * channels;
    std::int64_t last = -1;
    for (std::int64_t row = rows.begin; row < rows.end; ++row, result += out_line) {
      const std::int64_t source =
          row / y.out_size * y.size + nearest(y, row % y.out_size, resizing.mode);
      if (source == last)
        copy_row(result - out_line, result, columns.count * channels);
      else
        pick_pixels(columns, resizing.input + source * line, result, channels);
      last = source;
    }
  }
}

void resize_bilinear(const Resizing& resizing, Axis y, Axis x, Range rows) {
  const std::int64_t channels = resizing.channels;
  const std::int64_t line = resizing.width * channels, out_line = resizing.out_width * channels;
  const std::int64_t most_floats = channels < kFour ? kMixedFloats : line;
  Columns columns;
  for (std::int64_t begin = 0; begin < x.out_size; begin += columns.count) {
    find_neighbours(x, resizing, begin, most_floats, columns);
    float* result = resizing.result + rows.begin * out_line + begin * channels;
    for (std::int64_t row = rows.begin; row < rows.end; ++row, result += out_line) {
      const Neighbours both = neighbours(y, row % y.out_size);
      const float* const image = resizing.input + row / y.out_size * y.size * line;
      mix_pixels(columns,
                 {image + both.first * line, image + both.second * line, both.second_weight},
                 channels, result);
    }
  }
}

}  // namespace

void resize(const Resizing& resizing, Share share) {
  const Axis y = axis_of(resizing.height, resizing.out_height, resizing.scale_height, resizing);
  const Axis x = axis_of(resizing.width, resizing.out_width, resizing.scale_width, resizing);
  const Range rows = part_of(resizing.batch * resizing.out_height, share.index, share.count);
  if (rows.size() == 0 || resizing.channels == 0) return;
  if (resizing.mode == Resampling::bilinear)
    resize_bilinear(resizing, y, x, rows);
  else
    resize_nearest(resizing, y, x, rows);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
