#include <cstdint>

#include "compute/isa/combine.h"
#include "compute/isa/entries.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

// Note [Moments]
// The numbers are read once for mean and variance, in blocks: differences from a pivot near the
// block's mean, and their squares, are added up in single precision. Sums of numbers and of squares
// over all blocks are in double: large means do not cancel.

struct Moments {
  double sum = 0;
  double squares = 0;  ///< Of the numbers themselves.

  /// Adds `count` numbers, given the sums of their differences from the pivot and of the squares.
  void add(float differences, float squared_differences, float pivot, double count) {
    const auto difference = static_cast<double>(differences), from = static_cast<double>(pivot);
    sum += difference + count * from;
    squares += static_cast<double>(squared_differences) + from * (2 * difference + count * from);
  }
};

/// (value - mean) * factor is what a group's numbers become, before weight and bias.
struct Normal {
  double mean;
  double factor;
};

Normal normal_of(const GroupNorm& norm, const Moments& moments) {
  const auto count = static_cast<double>(norm.channels / norm.groups * norm.positions);
  const double mean = moments.sum / count;
  const double variance = moments.squares / count - mean * mean;
  return {mean, 1 / __builtin_sqrt((variance < 0 ? 0 : variance) + norm.epsilon)};
}

/// What becomes of a channel: value * scale + shift.
struct Affine {
  float scale;
  float shift;
};

Affine affine_of(const GroupNorm& norm, Normal normal, std::int64_t channel) {
  double scale = normal.factor, bias = 0;
  if (norm.weight != nullptr) scale *= static_cast<double>(norm.weight[channel]);
  if (norm.bias != nullptr) bias = static_cast<double>(norm.bias[channel]);
  return {static_cast<float>(scale), static_cast<float>(bias - normal.mean * scale)};
}

// Channels first: a group is one row of numbers.

Moments moments_of_row(const float* values, std::int64_t count) {
  constexpr std::int64_t kBlock = 4096;
  Moments moments;
  for (std::int64_t i = 0; i < count; i += kBlock) {
    const std::int64_t size = smaller_of(count - i, kBlock);
    const float mean = sum_of_row(values + i, size) / static_cast<float>(size);
    moments.add(0, squares_around(values + i, mean, size), mean, static_cast<double>(size));
  }
  return moments;
}

void write_row(const float* values, Affine affine, float* result, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(result + i, load(values + i) * affine.scale + affine.shift);
  for (; i < count; ++i) result[i] = values[i] * affine.scale + affine.shift;
}

void normalise_rows(const GroupNorm& norm, Range groups) {
  const std::int64_t channels = norm.channels / norm.groups;
  const std::int64_t positions = norm.positions;
  for (std::int64_t group = groups.begin; group < groups.end; ++group) {
    const std::int64_t first = group * channels * positions;
    const Normal normal = normal_of(norm, moments_of_row(norm.input + first, channels * positions));
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const std::int64_t at = first + channel * positions;
      const Affine affine = affine_of(norm, normal, group % norm.groups * channels + channel);
      write_row(norm.input + at, affine, norm.result + at, positions);
    }
  }
}

// Channels last: many channels side by side, of several groups.

constexpr std::int64_t kMostChannels = 512;
constexpr std::int64_t kBlockPositions = 128;

/// Of a block of positions and of each of some channels: sums of the differences from a pivot, and
/// of their squares. The pivot is the mean of the channel's first numbers: it is as far from that
/// of all as their variance allows for, so what is subtracted from the squares in the end is not
/// too large.
struct BlockSums {
  float pivots[kMostChannels];
  float sums[kMostChannels];
  float squares[kMostChannels];

  void start(const float* values, std::int64_t stride, std::int64_t positions,
             std::int64_t channels) {
    for (std::int64_t i = 0; i < channels; ++i) pivots[i] = sums[i] = squares[i] = 0;
    const std::int64_t first = smaller_of(positions, 8);
    for (std::int64_t position = 0; position < first; ++position) {
      for (std::int64_t i = 0; i < channels; ++i) pivots[i] += values[position * stride + i];
    }
    for (std::int64_t i = 0; i < channels; ++i) pivots[i] /= static_cast<float>(first);
  }

  /// Adds kPositions pixels.
  template <int kPositions>
  void add(const float* values, std::int64_t stride, std::int64_t channels) {
    std::int64_t i = 0;
    for (; i + kLanes <= channels; i += kLanes) {
      const Vec pivot = load(pivots + i);
      Vec sum = load(sums + i), square = load(squares + i);
      for (int position = 0; position < kPositions; ++position) {
        const Vec difference = load(values + position * stride + i) - pivot;
        sum += difference;
        square += difference * difference;
      }
      store(sums + i, sum);
      store(squares + i, square);
    }
    for (; i < channels; ++i) {
      for (int position = 0; position < kPositions; ++position) {
        const float difference = values[position * stride + i] - pivots[i];
        sums[i] += difference;
        squares[i] += difference * difference;
      }
    }
  }
};

/// Adds those of some channels of an image to their groups': moments[0] is of the group
/// `first_group`.
void add_moments(const GroupNorm& norm, const float* image, Range channels,
                 std::int64_t first_group, Moments* moments) {
  const std::int64_t group_size = norm.channels / norm.groups;
  const std::int64_t stride = norm.channels;
  BlockSums block;
  for (std::int64_t begin = 0; begin < norm.positions; begin += kBlockPositions) {
    const std::int64_t positions = smaller_of(norm.positions - begin, kBlockPositions);
    const float* const values = image + begin * stride + channels.begin;
    block.start(values, stride, positions, channels.size());
    std::int64_t position = 0;
    for (; position + 4 <= positions; position += 4)
      block.add<4>(values + position * stride, stride, channels.size());
    for (; position < positions; ++position)
      block.add<1>(values + position * stride, stride, channels.size());
    for (std::int64_t channel = channels.begin; channel < channels.end;) {
      const std::int64_t group = channel / group_size;
      const std::int64_t end = smaller_of((group + 1) * group_size, channels.end);
      for (; channel < end; ++channel) {
        const std::int64_t at = channel - channels.begin;
        moments[group - first_group].add(block.sums[at], block.squares[at], block.pivots[at],
                                         static_cast<double>(positions));
      }
    }
  }
}

/// value * scale + shift of some channels of an image.
void write_channels(const GroupNorm& norm, const float* image, float* result, Range channels,
                    std::int64_t first_group, const Moments* moments) {
  float scales[kMostChannels], shifts[kMostChannels];
  const std::int64_t count = channels.size();
  const std::int64_t group_size = norm.channels / norm.groups;
  for (std::int64_t channel = channels.begin; channel < channels.end;) {
    const std::int64_t group = channel / group_size;
    const std::int64_t end = smaller_of((group + 1) * group_size, channels.end);
    const Normal normal = normal_of(norm, moments[group - first_group]);
    for (; channel < end; ++channel) {
      const Affine affine = affine_of(norm, normal, channel);
      scales[channel - channels.begin] = affine.scale;
      shifts[channel - channels.begin] = affine.shift;
    }
  }
  for (std::int64_t position = 0; position < norm.positions; ++position) {
    const float* const from = image + position * norm.channels + channels.begin;
    float* const to = result + position * norm.channels + channels.begin;
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      store(to + i, load(from + i) * load(scales + i) + load(shifts + i));
    for (; i < count; ++i) to[i] = from[i] * scales[i] + shifts[i];
  }
}

/// Calls `work` with up to kMostChannels of the channels at a time.
template <typename Work>
void in_pieces(Range channels, Work work) {
  for (std::int64_t begin = channels.begin; begin < channels.end; begin += kMostChannels)
    work(Range{begin, smaller_of(begin + kMostChannels, channels.end)});
}

/// Groups of one image, at most kMostChannels of them.
void normalise_slices(const GroupNorm& norm, std::int64_t image, Range groups) {
  const std::int64_t group_size = norm.channels / norm.groups;
  const float* const input = norm.input + image * norm.positions * norm.channels;
  float* const result = norm.result + image * norm.positions * norm.channels;
  const Range channels = {groups.begin * group_size, groups.end * group_size};
  Moments moments[kMostChannels];
  in_pieces(channels, [&](Range piece) { add_moments(norm, input, piece, groups.begin, moments); });
  in_pieces(channels, [&](Range piece) {
    write_channels(norm, input, result, piece, groups.begin, moments);
  });
}

}  // namespace

void group_norm(const GroupNorm& norm, Share share) {
  const Range range = part_of(norm.batch * norm.groups, share.index, share.count);
  if (!norm.channels_last) return normalise_rows(norm, range);
  const std::int64_t most_groups = divide_up(kMostChannels, norm.channels / norm.groups + 1);
  for (std::int64_t group = range.begin; group < range.end;) {
    const std::int64_t image = group / norm.groups;
    const std::int64_t end =
        smaller_of(smaller_of(range.end, (image + 1) * norm.groups), group + most_groups);
    const std::int64_t first = image * norm.groups;
    normalise_slices(norm, image, {group - first, end - first});
    group = end;
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
