#include "compute/isa/winograd.h"

#include "compute/isa/epilogue.h"
#include "compute/isa/split.h"
#include "compute/isa/streamed.h"

// Note [Winograd]
// Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015. A tile of kOut x kOut
// results of a 3 x 3 kernel is  Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,  d being the kIn x kIn inputs that it
// depends on, kIn = kOut + 2. The elementwise products of many tiles, channels and filters are kIn
// * kIn products of matrices:
//   sums[i][tile][filter] = sum over channels of  inputs[i][tile][channel] *
//   filters[i][channel][filter].
// A block of tiles has its transformed inputs in the second cache; then each panel of filters
// passes once: packed [panel][i][channel][kPanel], it is read in the order of memory (Note
// [Streamed panels]), and its sums are small.

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// The transforms of one dimension, in place where the sizes allow.
template <int kOut>
struct Transform;

template <>
struct Transform<2> {
  static constexpr double kFilter[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

  [[gnu::always_inline]] static void input(const Vec* d, Vec* t) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
  }
  [[gnu::always_inline]] static void output(const Vec* m, Vec* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
};

/// The points 0, 1, -1, 2, -2.
template <>
struct Transform<4> {
  static constexpr double kFilter[6][3] = {{1. / 4, 0, 0},
                                           {-1. / 6, -1. / 6, -1. / 6},
                                           {-1. / 6, 1. / 6, -1. / 6},
                                           {1. / 24, 1. / 12, 1. / 6},
                                           {1. / 24, -1. / 12, 1. / 6},
                                           {0, 0, 1}};

  [[gnu::always_inline]] static void input(const Vec* d, Vec* t) {
    const Vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const Vec even_2 = d[4] - d[2], odd_2 = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even_2 + odd_2;
    t[4] = even_2 - odd_2;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
  [[gnu::always_inline]] static void output(const Vec* m, Vec* y) {
    const Vec sum = m[1] + m[2], difference = m[1] - m[2];
    const Vec sum_2 = m[3] + m[4], difference_2 = m[3] - m[4];
    y[0] = m[0] + sum + sum_2;
    y[1] = difference + 2 * difference_2;
    y[2] = sum + 4 * sum_2;
    y[3] = difference + 8 * difference_2 + m[5];
  }
};

/// Floats of transformed inputs that a block aims at, and tiles that it has at least: with few, the
/// filters would be read more often from memory than they are worth.
constexpr std::int64_t kBlockFloats = 80 * 1024;
constexpr std::int64_t kLeastTiles = 3 * kTileRows;

template <int kOut>
struct Winograd {
  static constexpr int kIn = kOut + 2;
  static constexpr int kProducts = kIn * kIn;

  /// Where a tile lies.
  struct Place {
    std::int64_t image, y, x;  ///< Of its first result.
  };

  /// The block's transformed inputs and sums, [kProducts][tiles][channels or kPanel]. The products
  /// lie a cache line more apart than they need to: else they often fall on the same set of the
  /// first cache.
  struct Layout {
    explicit Layout(const Convolution& convolution)
        : rows(divide_up(convolution.out_height, kOut)),
          columns(divide_up(convolution.out_width, kOut)),
          tiles(convolution.batch * rows * columns) {
      const std::int64_t fitting = kBlockFloats / (kProducts * convolution.channels);
      const std::int64_t most =
          fitting < kLeastTiles ? kLeastTiles : fitting / kTileRows * kTileRows;
      block = divide_up(tiles, divide_up(tiles, most));
      input_stride = divide_up(block * convolution.channels, 16) * 16 + 16;
      sum_stride = block * kPanel + 16;
    }

    std::int64_t rows, columns, tiles;  ///< Of tiles: of an image, of all.
    std::int64_t block;                 ///< Tiles of a block, at most.
    std::int64_t input_stride, sum_stride;
  };

  static Place place_of(const Layout& layout, std::int64_t tile) {
    const std::int64_t row = tile / layout.columns;
    return {row / layout.rows, row % layout.rows * kOut, tile % layout.columns * kOut};
  }

  /// Bᵀ d B of one vector of channels; `inside` are the rows and columns of d that lie in the
  /// image.
  template <bool kBorder>
  [[gnu::always_inline]] static void transform_input(const float* input, std::int64_t line,
                                                     std::int64_t channels, Range y, Range x,
                                                     std::int64_t lanes, float* to,
                                                     std::int64_t stride) {
    Vec half[kIn][kIn];
#pragma GCC unroll 8
    for (int column = 0; column < kIn; ++column) {
      Vec d[kIn], t[kIn];
#pragma GCC unroll 8
      for (int row = 0; row < kIn; ++row) {
        const float* from = input + row * line + column * channels;
        if (kBorder) {
          const bool is_inside =
              row >= y.begin && row < y.end && column >= x.begin && column < x.end;
          d[row] = is_inside ? load_first(from, lanes) : Vec{};
        } else {
          d[row] = load(from);
        }
      }
      Transform<kOut>::input(d, t);
#pragma GCC unroll 8
      for (int row = 0; row < kIn; ++row) half[row][column] = t[row];
    }
#pragma GCC unroll 8
    for (int row = 0; row < kIn; ++row) {
      Vec t[kIn];
      Transform<kOut>::input(half[row], t);
#pragma GCC unroll 8
      for (int column = 0; column < kIn; ++column) {
        float* const target = to + (row * kIn + column) * stride;
        if (kBorder) {
          store_first(target, t[column], lanes);
        } else {
          store(target, t[column]);
        }
      }
    }
  }

  static void transform_tile(const Convolution& convolution, Place place, float* to,
                             std::int64_t stride) {
    const std::int64_t channels = convolution.channels, line = convolution.width * channels;
    const std::int64_t top = place.y - convolution.pad_top, left = place.x - convolution.pad_left;
    const Range y{-top, convolution.height - top}, x{-left, convolution.width - left};
    const float* input =
        convolution.input + (place.image * convolution.height + top) * line + left * channels;
    const bool is_inside = y.begin <= 0 && y.end >= kIn && x.begin <= 0 && x.end >= kIn;
    std::int64_t channel = 0;
    if (is_inside) {
      for (; channel + kLanes <= channels; channel += kLanes)
        transform_input<false>(input + channel, line, channels, y, x, kLanes, to + channel, stride);
    }
    for (; channel < channels; channel += kLanes) {
      transform_input<true>(input + channel, line, channels, y, x,
                            smaller_of(channels - channel, kLanes), to + channel, stride);
    }
  }

  /// sums[i] = inputs[i] * filters[i], of one panel; `next` is the one that comes then.
  static void multiply_block(const Convolution& convolution, const Layout& layout,
                             std::int64_t tiles, const float* inputs, const float* filters,
                             const float* next, float* sums) {
    const std::int64_t channels = convolution.channels;
    StreamedProduct product;
    product.rows = tiles;
    product.depth = channels;
    product.a_stride = channels;
    for (int i = 0; i < kProducts; ++i) {
      product.a = inputs + i * layout.input_stride;
      product.panel = filters + i * channels * kPanel;
      product.next_panel = i + 1 < kProducts ? product.panel + channels * kPanel : next;
      product.sums = sums + i * layout.sum_stride;
      multiply_streamed(product);
    }
  }

  /// The results of a tile, for kVectors of channels, `columns` of them real.
  template <int kVectors>
  static void transform_output(const Convolution& convolution, Place place, std::int64_t filter,
                               std::int64_t columns, const float* sums, std::int64_t stride) {
    Vec half[kVectors][kOut][kIn];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
      for (int column = 0; column < kIn; ++column) {
        Vec m[kIn], y[kOut];
#pragma GCC unroll 8
        for (int row = 0; row < kIn; ++row)
          m[row] = load(sums + (row * kIn + column) * stride + v * kLanes);
        Transform<kOut>::output(m, y);
#pragma GCC unroll 8
        for (int row = 0; row < kOut; ++row) half[v][row][column] = y[row];
      }
    }
    const std::int64_t height = smaller_of(convolution.out_height - place.y, kOut);
    const std::int64_t width = smaller_of(convolution.out_width - place.x, kOut);
    const std::int64_t filters = convolution.filters;
    for (std::int64_t row = 0; row < height; ++row) {
      const std::int64_t line = place.image * convolution.out_height + place.y + row;
      const std::int64_t pixel = line * convolution.out_width + place.x;
      const Epilogue epilogue = epilogue_at(convolution.epilogue, pixel, filter);
      float* const result = convolution.result + pixel * filters + filter;
      Vec results[kOut * kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        Vec y[kOut];
        Transform<kOut>::output(half[v][row], y);
#pragma GCC unroll 8
        for (int i = 0; i < kOut; ++i) results[i * kVectors + v] = y[i];
      }
      if (width == kOut) {
        finish<kOut, kVectors>(results, 1, epilogue, result, filters, columns);
        continue;
      }
      for (std::int64_t i = 0; i < width; ++i) {
        Vec pixels[kVectors];
        for (int v = 0; v < kVectors; ++v) pixels[v] = results[i * kVectors + v];
        finish<1, kVectors>(pixels, 1, epilogue_at(epilogue, i, 0), result + i * filters, 0,
                            columns);
      }
    }
  }

  static std::int64_t packed_size(const Convolution& convolution) {
    return divide_up(convolution.filters, kPanel) * kProducts * convolution.channels * kPanel;
  }

  /// G g Gᵀ of the filters of one panel and channel; `stride` floats lie between results.
  static void transform_filters(const float (&g)[9][kPanel], float* u, std::int64_t stride) {
    const auto& matrix = Transform<kOut>::kFilter;
    for (int row = 0; row < kIn; ++row) {
      double half[3][kPanel] = {};
      for (int x = 0; x < 3; ++x)
        for (int y = 0; y < 3; ++y)
          for (int i = 0; i < kPanel; ++i)
            half[x][i] += matrix[row][y] * static_cast<double>(g[y * 3 + x][i]);
      for (int column = 0; column < kIn; ++column, u += stride) {
        for (int i = 0; i < kPanel; ++i) {
          double sum = 0;
          for (int x = 0; x < 3; ++x) sum += half[x][i] * matrix[column][x];
          u[i] = static_cast<float>(sum);
        }
      }
    }
  }

  static void pack(const Convolution& convolution, const float* filters, float* packed) {
    const std::int64_t channels = convolution.channels;
    for (std::int64_t first = 0; first < convolution.filters; first += kPanel) {
      const std::int64_t count = smaller_of(convolution.filters - first, kPanel);
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        float g[9][kPanel] = {};
        for (std::int64_t i = 0; i < count; ++i) {
          const float* const filter = filters + ((first + i) * channels + channel) * 9;
          for (int tap = 0; tap < 9; ++tap) g[tap][i] = filter[tap];
        }
        transform_filters(g, packed + channel * kPanel, channels * kPanel);
      }
      packed += kProducts * channels * kPanel;
    }
  }

  static std::int64_t scratch(const Convolution& convolution) {
    const Layout layout(convolution);
    return kProducts * (layout.input_stride + layout.sum_stride);
  }

  static void convolve(const Convolution& convolution, Share share, float* scratch) {
    // A row of the grid is a tile. Its input's transform costs a quarter of its products with a
    // panel, and a panel comes from memory in the time of some tiles' products with it.
    const Overhead overhead{.of_row = 0.25, .of_panel = 4};
    const Layout layout(convolution);
    const Part part =
        part_of_grid(layout.tiles, divide_up(convolution.filters, kPanel), overhead, share);
    float* const inputs = scratch;
    float* const sums = scratch + kProducts * layout.input_stride;
    const std::int64_t channels = convolution.channels;
    const std::int64_t blocks = divide_up(part.rows.size(), layout.block);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const Range some = part_of(part.rows.size(), block, blocks);
      const std::int64_t first = part.rows.begin + some.begin, tiles = some.size();
      for (std::int64_t i = 0; i < tiles; ++i) {
        transform_tile(convolution, place_of(layout, first + i), inputs + i * channels,
                       layout.input_stride);
      }
      for (std::int64_t panel = part.panels.begin; panel < part.panels.end; ++panel) {
        const auto filters_of = [&](std::int64_t panel) {
          return convolution.weight + panel * kProducts * channels * kPanel;
        };
        const std::int64_t next = panel + 1 < part.panels.end ? panel + 1 : part.panels.begin;
        multiply_block(convolution, layout, tiles, inputs, filters_of(panel), filters_of(next),
                       sums);
        const std::int64_t filter = panel * kPanel,
                           columns = smaller_of(convolution.filters - filter, kPanel);
        for (std::int64_t i = 0; i < tiles; ++i) {
          const Place place = place_of(layout, first + i);
          const float* const from = sums + i * kPanel;
          if (columns > kLanes) {
            transform_output<2>(convolution, place, filter, columns, from, layout.sum_stride);
          } else {
            transform_output<1>(convolution, place, filter, columns, from, layout.sum_stride);
          }
        }
      }
    }
  }
};

}  // namespace

std::int64_t packed_winograd_size(const Convolution& convolution) {
  return convolution.algorithm == Algorithm::winograd_4 ? Winograd<4>::packed_size(convolution)
                                                        : Winograd<2>::packed_size(convolution);
}

void pack_winograd(const Convolution& convolution, const float* filters, float* packed) {
  if (convolution.algorithm == Algorithm::winograd_4)
    Winograd<4>::pack(convolution, filters, packed);
  else
    Winograd<2>::pack(convolution, filters, packed);
}

std::int64_t convolve_winograd_scratch(const Convolution& convolution) {
  return convolution.algorithm == Algorithm::winograd_4 ? Winograd<4>::scratch(convolution)
                                                        : Winograd<2>::scratch(convolution);
}

void convolve_winograd(const Convolution& convolution, Share share, float* scratch) {
  if (convolution.algorithm == Algorithm::winograd_4)
    Winograd<4>::convolve(convolution, share, scratch);
  else
    Winograd<2>::convolve(convolution, share, scratch);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
