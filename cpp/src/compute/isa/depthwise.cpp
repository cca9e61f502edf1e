#include "compute/isa/depthwise.h"

#include "compute/isa/epilogue.h"
#include "compute/isa/split.h"

// Note [Depthwise convolution]
// kTile neighbouring results of one vector of channels are summed in registers: a number of the
// input that is loaded serves all results it belongs to, a weight serves all of the tile. Taps
// outside of the image are left out, so nothing is padded. Weights are packed as [vector of
// channels][tap][lane], the last vector with zeros.

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// With kernel_width weights and an input beside them, as many sums as 16 registers hold; it
/// divides the widths 7, 14, 28, 56, 112 of networks for images.
constexpr int kTile = 7;

/// kTile results of one line and one vector of channels.
struct DepthwiseTile {
  const float* input =
      nullptr;  ///< The first tap's number for the tile's first result; may lie outside.
  const float* weight = nullptr;  ///< The first row's of taps.
  std::int64_t rows = 0;          ///< Rows of taps that lie inside the image.
  std::int64_t row_stride = 0;    ///< Between them, in the input.
  std::int64_t column_stride = 0;
  Range columns;                ///< Those inside the image, counted from `input`.
  std::int64_t lanes = kLanes;  ///< Channels of this vector.
};

template <bool kWhole>
inline Vec load_channels(const float* from, std::int64_t lanes) {
  return kWhole ? load(from) : load_first(from, lanes);
}

/// Kernels kKernel wide, whose taps and results lie kStride and 1 columns apart.
template <int kKernel, int kStride, bool kWhole>
struct Known {
  static void add_terms(const Convolution&, const DepthwiseTile& tile, Vec (&sums)[kTile]) {
    constexpr int kColumns = (kTile - 1) * kStride + kKernel;
    std::uint32_t inside = 0;
    for (int column = 0; column < kColumns; ++column) {
      const bool is_inside = column >= tile.columns.begin && column < tile.columns.end;
      inside |= static_cast<std::uint32_t>(is_inside) << column;
    }
    const float* input = tile.input;
    const float* weight = tile.weight;
    for (std::int64_t row = 0; row < tile.rows;
         ++row, input += tile.row_stride, weight += kKernel * kLanes) {
      Vec weights[kKernel];
#pragma GCC unroll 8
      for (int tap = 0; tap < kKernel; ++tap) weights[tap] = load(weight + tap * kLanes);
#pragma GCC unroll 32
      for (int column = 0; column < kColumns; ++column) {
        if ((inside >> column & 1) == 0) continue;
        const Vec number = load_channels<kWhole>(input + column * tile.column_stride, tile.lanes);
#pragma GCC unroll 8
        for (int i = 0; i < kTile; ++i) {
          const int tap = column - i * kStride;
          if (tap >= 0 && tap < kKernel) sums[i] += number * weights[tap];
        }
      }
    }
  }
};

/// Any kernel.
template <bool kWhole>
struct Any {
  static void add_terms(const Convolution& convolution, const DepthwiseTile& tile,
                        Vec (&sums)[kTile]) {
    const float* weight = tile.weight;
    for (std::int64_t row = 0; row < tile.rows; ++row) {
      const float* const input = tile.input + row * tile.row_stride;
      for (std::int64_t tap = 0; tap < convolution.kernel_width; ++tap, weight += kLanes) {
        const Vec weights = load(weight);
        std::int64_t column = tap * convolution.dilation_width;
#pragma GCC unroll 8
        for (int i = 0; i < kTile; ++i, column += convolution.stride_width) {
          if (column < tile.columns.begin || column >= tile.columns.end) continue;
          sums[i] +=
              load_channels<kWhole>(input + column * tile.column_stride, tile.lanes) * weights;
        }
      }
    }
  }
};

/// Sums, finishes and stores `count` results, at most kTile.
template <typename Terms>
void compute(const Convolution& convolution, const DepthwiseTile& tile, std::int64_t pixel,
             std::int64_t channel, std::int64_t count) {
  Vec sums[kTile];
#pragma GCC unroll 8
  for (Vec& sum : sums) sum = Vec{};
  Terms::add_terms(convolution, tile, sums);
  const Epilogue epilogue = epilogue_at(convolution.epilogue, pixel, channel);
  float* const result = convolution.result + pixel * convolution.channels + channel;
  if (count == kTile) {
    finish<kTile, 1>(sums, 1, epilogue, result, convolution.channels, tile.lanes);
    return;
  }
  Vec kept[kTile];
#pragma GCC unroll 8
  for (int i = 0; i < kTile; ++i) kept[i] = sums[i];
  for (std::int64_t i = 0; i < count; ++i) {
    Vec sum[1] = {kept[i]};
    finish<1, 1>(sum, 1, epilogue_at(epilogue, i, 0), result + i * convolution.channels, 0,
                 tile.lanes);
  }
}

using Compute = void (*)(const Convolution&, const DepthwiseTile&, std::int64_t, std::int64_t,
                         std::int64_t);

template <bool kWhole>
Compute choose(const Convolution& convolution) {
  const std::int64_t kernel = convolution.kernel_width, stride = convolution.stride_width;
  if (convolution.dilation_width == 1) {
    if (kernel == 3 && stride == 1) return compute<Known<3, 1, kWhole>>;
    if (kernel == 3 && stride == 2) return compute<Known<3, 2, kWhole>>;
    if (kernel == 5 && stride == 1) return compute<Known<5, 1, kWhole>>;
    if (kernel == 5 && stride == 2) return compute<Known<5, 2, kWhole>>;
  }
  return compute<Any<kWhole>>;
}

/// The vectors of channels in `vectors` of one line of results.
void compute_line(const Convolution& convolution, std::int64_t line, Range vectors, Compute whole,
                  Compute few) {
  const std::int64_t channels = convolution.channels,
                     taps = convolution.kernel_height * convolution.kernel_width;
  const std::int64_t image = line / convolution.out_height;
  const std::int64_t top =
      line % convolution.out_height * convolution.stride_height - convolution.pad_top;
  const std::int64_t dilation = convolution.dilation_height;
  const std::int64_t first = top < 0 ? divide_up(-top, dilation) : 0;
  const std::int64_t reached =
      top < convolution.height ? divide_up(convolution.height - top, dilation) : 0;
  const std::int64_t last = smaller_of(reached, convolution.kernel_height);

  DepthwiseTile tile;
  tile.rows = last > first ? last - first : 0;
  tile.row_stride = dilation * convolution.width * channels;
  tile.column_stride = channels;
  const float* const row =
      convolution.input +
      (image * convolution.height + top + first * dilation) * convolution.width * channels;
  for (std::int64_t x = 0; x < convolution.out_width; x += kTile) {
    const std::int64_t left = x * convolution.stride_width - convolution.pad_left;
    tile.columns = {left < 0 ? -left : 0, convolution.width - left};
    for (std::int64_t vector = vectors.begin; vector < vectors.end; ++vector) {
      const std::int64_t channel = vector * kLanes;
      tile.input = row + left * channels + channel;
      tile.weight =
          convolution.weight + (vector * taps + first * convolution.kernel_width) * kLanes;
      tile.lanes = smaller_of(channels - channel, kLanes);
      const Compute compute_tile = tile.lanes == kLanes ? whole : few;
      compute_tile(convolution, tile, line * convolution.out_width + x, channel,
                   smaller_of(convolution.out_width - x, kTile));
    }
  }
}

}  // namespace

std::int64_t packed_depthwise_size(const Convolution& convolution) {
  return divide_up(convolution.channels, kLanes) * kLanes * convolution.kernel_height *
         convolution.kernel_width;
}

void pack_depthwise(const Convolution& convolution, const float* filters, float* packed) {
  const std::int64_t taps = convolution.kernel_height * convolution.kernel_width;
  for (std::int64_t channel = 0; channel < divide_up(convolution.channels, kLanes) * kLanes;
       ++channel) {
    float* const to = packed + channel / kLanes * taps * kLanes + channel % kLanes;
    for (std::int64_t tap = 0; tap < taps; ++tap)
      to[tap * kLanes] = channel < convolution.channels ? filters[channel * taps + tap] : 0;
  }
}

void convolve_depthwise(const Convolution& convolution, Share share) {
  // Threads split the lines, and the channels of a line that lies between two of them.
  const std::int64_t vectors = divide_up(convolution.channels, kLanes);
  const Range range =
      part_of(convolution.batch * convolution.out_height * vectors, share.index, share.count);
  const Compute whole = choose<true>(convolution), few = choose<false>(convolution);
  for (std::int64_t line = range.begin / vectors; line * vectors < range.end; ++line) {
    const std::int64_t begin = range.begin - line * vectors, end = range.end - line * vectors;
    compute_line(convolution, line, {begin > 0 ? begin : 0, smaller_of(end, vectors)}, whole, few);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
