// resize: coordinates in LibTorch's single precision, everything else in double.

#include "compute/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

struct Axis {
  std::int64_t size, out_size;
  double factor;
};

/// The two pixels that one is made of, and their weights: as in ATen/native/UpSample.h.
struct Source {
  std::int64_t first, second;
  double first_weight, second_weight;
};

Source source_of(const Axis& axis, std::int64_t index, const Resizing& resizing) {
  const float scale = axis.factor > 0
                          ? static_cast<float>(1.0 / axis.factor)
                          : static_cast<float>(axis.size) / static_cast<float>(axis.out_size);
  const auto one = [&](float at) {
    const std::int64_t pixel = std::min(static_cast<std::int64_t>(std::floor(at)), axis.size - 1);
    return Source{pixel, pixel, 1, 0};
  };
  if (resizing.mode == Resampling::nearest_exact)
    return one(static_cast<float>((static_cast<double>(index) + 0.5) * scale));
  if (axis.out_size == axis.size) return {index, index, 1, 0};
  if (resizing.mode == Resampling::nearest) {
    if (axis.out_size == 2 * axis.size) return {index / 2, index / 2, 1, 0};
    return one(static_cast<float>(index) * scale);
  }
  float at = 0;
  if (resizing.align_corners) {
    if (axis.out_size > 1) {
      const float corners =
          static_cast<float>(axis.size - 1) / static_cast<float>(axis.out_size - 1);
      at = corners * static_cast<float>(index);
    }
  } else {
    at = std::max(std::fma(scale, static_cast<float>(index) + 0.5f, -0.5f), 0.0f);
  }
  const std::int64_t first = std::min(static_cast<std::int64_t>(std::floor(at)), axis.size - 1);
  const float weight = std::min(at - static_cast<float>(first), 1.0f);
  return {first, std::min(first + 1, axis.size - 1), 1.0 - weight, weight};
}

std::vector<double> reference(const Resizing& r) {
  std::vector<double> result;
  for (std::int64_t row = 0; row < r.batch * r.out_height; ++row) {
    const Source y = source_of({r.height, r.out_height, r.scale_height}, row % r.out_height, r);
    for (std::int64_t column = 0; column < r.out_width; ++column) {
      const Source x = source_of({r.width, r.out_width, r.scale_width}, column, r);
      for (std::int64_t channel = 0; channel < r.channels; ++channel) {
        const auto at = [&](std::int64_t input_row, std::int64_t input_column) -> double {
          const std::int64_t image_row = row / r.out_height * r.height + input_row;
          return r.input[(image_row * r.width + input_column) * r.channels + channel];
        };
        if (r.mode != Resampling::bilinear) {
          result.push_back(at(y.first, x.first));
          continue;
        }
        result.push_back(y.first_weight * (x.first_weight * at(y.first, x.first) +
                                           x.second_weight * at(y.first, x.second)) +
                         y.second_weight * (x.first_weight * at(y.second, x.first) +
                                            x.second_weight * at(y.second, x.second)));
      }
    }
  }
  return result;
}

void check(Resizing resizing, bool with_nan = false) {
  Guarded input(resizing.batch * resizing.height * resizing.width * resizing.channels);
  Guarded result(resizing.batch * resizing.out_height * resizing.out_width * resizing.channels);
  input.randomise(static_cast<unsigned>(resizing.channels));
  if (with_nan) input[input.size() / 2] = std::nanf("");
  resizing.input = input.data(), resizing.result = result.data();
  const std::vector<double> expected = reference(resizing);
  const double tolerance = resizing.mode == Resampling::bilinear ? 2e-6 : 0;
  for (int threads = 1; threads <= 5; ++threads) {
    for (std::int64_t i = 0; i < result.size(); ++i) result[i] = -77;
    for_each_share(threads, [&](Share share) { level().resize(resizing, share); });
    for (std::int64_t i = 0; i < result.size(); ++i) {
      ASSERT_TRUE(is_close(result[i], expected[static_cast<std::size_t>(i)], tolerance))
          << resizing.height << " x " << resizing.width << " x " << resizing.channels << " to "
          << resizing.out_height << " x " << resizing.out_width << ", mode "
          << static_cast<int>(resizing.mode) << ", at " << i;
    }
    ASSERT_TRUE(result.is_intact());
  }
}

void check_modes(Resizing resizing, bool with_nan = false) {
  for (const Resampling mode :
       {Resampling::nearest, Resampling::nearest_exact, Resampling::bilinear}) {
    resizing.mode = mode;
    check(resizing, with_nan);
  }
  resizing.align_corners = true;
  check(resizing, with_nan);
}

TEST(Resize, AllChannelsAndSizes) {
  struct Sizes {
    std::int64_t height, width, out_height, out_width;
  };
  for (const std::int64_t channels : {1, 2, 3, 4, 5, 7, 8, 9, 16, 19, 33}) {
    for (const Sizes& sizes : {Sizes{7, 5, 13, 9},
                               {13, 9, 7, 5},
                               {4, 6, 8, 12},
                               {4, 6, 4, 6},
                               {4, 6, 4, 9},
                               {1, 1, 3, 4},
                               {5, 6, 1, 1},
                               {10, 3, 3, 10}}) {
      check_modes({2, sizes.height, sizes.width, channels, sizes.out_height, sizes.out_width});
    }
  }
}

TEST(Resize, WideImages) {
  for (const std::int64_t channels : {1, 2, 3, 6, 70}) {
    check_modes({1, 2, 700, channels, 3, 1500});
    check_modes({1, 3, 1500, channels, 2, 700});
    check_modes({1, 2, 6000, channels, 1, 50});  // More of a row than is mixed at once.
    check_modes({1, 2, 3, channels, 2, 1100});
  }
  check_modes({1, 3, 40, 600, 5, 67});
}

TEST(Resize, ScalesThatAreGiven) {
  for (const double factor : {1.7, 0.433, 2.0, 2.1, 0.5, 1.01, 3.3}) {
    for (const std::int64_t size : {5, 33, 50}) {
      const auto out_size = static_cast<std::int64_t>(static_cast<double>(size) * factor);
      for (const std::int64_t channels : {1, 8}) {
        Resizing resizing{1, size, 10, channels, out_size, static_cast<std::int64_t>(10 * factor)};
        resizing.scale_height = resizing.scale_width = factor;
        check_modes(resizing);
      }
    }
  }
}

TEST(Resize, WhatIsNoNumberStays) {
  for (const std::int64_t channels : {1, 3, 5, 12}) {
    check_modes({1, 6, 7, channels, 11, 15}, true);
    check_modes({1, 6, 7, channels, 6, 7}, true);
  }
}

TEST(Resize, NoImages) {
  check_modes({0, 4, 4, 3, 8, 8});
  check_modes({1, 4, 4, 0, 8, 8});
}

}  // namespace
}  // namespace torchship::compute
