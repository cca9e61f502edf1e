#include "compute/isa/entries.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Vectors of channels that are reduced at once.
constexpr int kMostVectors = 4;

/// The taps of a kernel that lie inside the image, along one dimension, and where the first one
/// lies.
struct Window {
  std::int64_t start = 0;
  std::int64_t taps = 0;
  std::int64_t counted = 0;  ///< Those inside the image or its padding.
};

Window clip(std::int64_t position, std::int64_t stride, std::int64_t pad, std::int64_t kernel,
            std::int64_t dilation, std::int64_t size) {
  const std::int64_t start = position * stride - pad;
  const std::int64_t first = start < 0 ? divide_up(-start, dilation) : 0;
  const std::int64_t last =
      size > start ? smaller_of(divide_up(size - start, dilation), kernel) : 0;
  const std::int64_t padded = smaller_of(size + pad - start, kernel);
  Window window;
  window.start = start + first * dilation;
  window.taps = last > first ? last - first : 0;
  window.counted = padded > 0 ? padded : 0;
  return window;
}

/// The window of one result: its first number and the floats from one tap to the next.
struct Taps {
  const float* first;
  std::int64_t rows, columns;
  std::int64_t row_stride, column_stride;
  float divisor;  ///< Of an average; 0 where nothing was counted.
};

/// What is no number wins, as in torch.
inline Vec larger(Vec value, Vec most) {
  return select((value > most) | (value != value), value, most);
}

template <bool kAverage, int kVectors>
void reduce_vectors(const Taps& taps, std::int64_t channel, float* result) {
  Vec sums[kVectors];
  for (Vec& sum : sums) sum = broadcast(kAverage ? 0.0f : -__builtin_inff());
  for (std::int64_t row = 0; row < taps.rows; ++row) {
    const float* from = taps.first + row * taps.row_stride + channel;
    for (std::int64_t column = 0; column < taps.columns; ++column) {
      for (int i = 0; i < kVectors; ++i) {
        const Vec value = load(from + i * kLanes);
        sums[i] = kAverage ? sums[i] + value : larger(value, sums[i]);
      }
      from += taps.column_stride;
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    if (kAverage) sums[i] = taps.divisor > 0 ? sums[i] / broadcast(taps.divisor) : Vec{};
    store(result + channel + i * kLanes, sums[i]);
  }
}

/// Fewer channels than a vector has.
template <bool kAverage>
void reduce_few(const Taps& taps, std::int64_t channel, std::int64_t end, float* result) {
  for (; channel < end; ++channel) {
    float sum = kAverage ? 0.0f : -__builtin_inff();
    for (std::int64_t row = 0; row < taps.rows; ++row) {
      const float* from = taps.first + row * taps.row_stride + channel;
      for (std::int64_t column = 0; column < taps.columns; ++column) {
        const float value = from[column * taps.column_stride];
        sum = kAverage ? sum + value : (value > sum || value != value ? value : sum);
      }
    }
    if (kAverage) sum = taps.divisor > 0 ? sum / taps.divisor : 0.0f;
    result[channel] = sum;
  }
}

template <bool kAverage>
void reduce_channels(const Taps& taps, std::int64_t channel, std::int64_t end, float* result) {
  for (; channel + kMostVectors * kLanes <= end; channel += kMostVectors * kLanes)
    reduce_vectors<kAverage, kMostVectors>(taps, channel, result);
  for (; channel + kLanes <= end; channel += kLanes)
    reduce_vectors<kAverage, 1>(taps, channel, result);
  reduce_few<kAverage>(taps, channel, end, result);
}

}  // namespace

void pool(const Pooling& pooling, Share share) {
  // Threads split the pixels, and the channels too where a pixel is split between two of them.
  const std::int64_t vectors = divide_up(pooling.channels, kLanes);
  const std::int64_t pixels = pooling.batch * pooling.out_height * pooling.out_width;
  const Range range = part_of(pixels * vectors, share.index, share.count);
  if (range.size() == 0) return;
  const std::int64_t line = pooling.width * pooling.channels;
  for (std::int64_t pixel = range.begin / vectors; pixel * vectors < range.end; ++pixel) {
    const std::int64_t row = pixel / pooling.out_width;
    const std::int64_t image = row / pooling.out_height;
    const Window y = clip(row % pooling.out_height, pooling.stride_height, pooling.pad_top,
                          pooling.kernel_height, pooling.dilation_height, pooling.height);
    const Window x = clip(pixel % pooling.out_width, pooling.stride_width, pooling.pad_left,
                          pooling.kernel_width, pooling.dilation_width, pooling.width);
    Taps taps;
    taps.rows = y.taps;
    taps.columns = x.taps;
    taps.first = pooling.input;
    if (y.taps > 0 && x.taps > 0)
      taps.first += (image * pooling.height + y.start) * line + x.start * pooling.channels;
    taps.row_stride = pooling.dilation_height * line;
    taps.column_stride = pooling.dilation_width * pooling.channels;
    taps.divisor =
        static_cast<float>(pooling.counts_padding ? y.counted * x.counted : y.taps * x.taps);
    const std::int64_t begin = (range.begin - pixel * vectors) * kLanes,
                       first = begin > 0 ? begin : 0;
    const std::int64_t last = smaller_of((range.end - pixel * vectors) * kLanes, pooling.channels);
    float* result = pooling.result + pixel * pooling.channels;
    if (pooling.is_average)
      reduce_channels<true>(taps, first, last, result);
    else
      reduce_channels<false>(taps, first, last, result);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
