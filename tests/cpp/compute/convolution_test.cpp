// Convolutions against sums in double precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compute/convolution.h"
#include "compute/share.h"
#include "level.h"

namespace torchship::compute {
namespace {

/// Memory of exactly this size, between guards that check() reads.
class Guarded {
 public:
  explicit Guarded(std::int64_t size, float value = 0)
      : size_(static_cast<std::size_t>(size)),
        memory_(static_cast<float*>(
                    std::aligned_alloc(64, (size_ * 4 + 2 * kGuard * 4 + 63) / 64 * 64)),
                &std::free) {
    for (std::size_t i = 0; i < size_ + 2 * kGuard; ++i)
      memory_.get()[i] = i < kGuard || i >= size_ + kGuard ? kMark : value;
  }
  float* data() { return memory_.get() + kGuard; }
  void check() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(memory_.get()[i], kMark) << "before, " << kGuard - i;
      ASSERT_EQ(memory_.get()[size_ + kGuard + i], kMark) << "after, " << i;
    }
  }

 private:
  static constexpr std::size_t kGuard = 32;
  static constexpr float kMark = -12345.5f;
  std::size_t size_;
  std::unique_ptr<float, void (*)(void*)> memory_;
};

double activated(double x, const Epilogue& epilogue) {
  switch (epilogue.activation) {
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::hardswish: return x * std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case Activation::clamp:
      return std::min(std::max(x, double{epilogue.low}), double{epilogue.high});
    default: return x;
  }
}

/// What is tested beside the sizes.
struct Options {
  bool has_bias = false;
  int residual = 0;  ///< 0: none, 1: of its own, 2: the result itself.
  bool residual_is_last = false;
  Activation activation = Activation::none;
};

struct Numbers {
  std::vector<float> input, filters, bias, residual;
};

Numbers numbers_of(const Convolution& c, std::mt19937& random) {
  std::normal_distribution<float> normal;
  const auto some = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(random);
    return values;
  };
  return {some(c.batch * c.height * c.width * c.channels),
          some(c.filters * (c.channels / c.groups) * c.kernel_height * c.kernel_width),
          some(c.filters), some(c.batch * c.out_height * c.out_width * c.filters)};
}

/// The result in double precision, and for each the sum of the terms' sizes.
struct Expected {
  std::vector<double> values, sizes;
};

Expected reference(const Convolution& c, const Numbers& numbers, const Options& options) {
  Expected expected;
  const std::int64_t group_channels = c.channels / c.groups, group_filters = c.filters / c.groups;
  for (std::int64_t pixel = 0; pixel < c.batch * c.out_height * c.out_width; ++pixel) {
    const std::int64_t image = pixel / (c.out_height * c.out_width);
    const std::int64_t oy = pixel / c.out_width % c.out_height, ox = pixel % c.out_width;
    for (std::int64_t filter = 0; filter < c.filters; ++filter) {
      double sum = 0, size = 0;
      for (std::int64_t ky = 0; ky < c.kernel_height; ++ky) {
        for (std::int64_t kx = 0; kx < c.kernel_width; ++kx) {
          const std::int64_t y = oy * c.stride_height - c.pad_top + ky * c.dilation_height;
          const std::int64_t x = ox * c.stride_width - c.pad_left + kx * c.dilation_width;
          if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
          for (std::int64_t k = 0; k < group_channels; ++k) {
            const std::int64_t channel = filter / group_filters * group_channels + k;
            const double a =
                numbers.input[((image * c.height + y) * c.width + x) * c.channels + channel];
            const double b =
                numbers.filters[((filter * group_channels + k) * c.kernel_height + ky) *
                                    c.kernel_width +
                                kx];
            sum += a * b;
            size += std::abs(a * b);
          }
        }
      }
      if (options.has_bias) sum += numbers.bias[filter];
      const double residual =
          options.residual != 0 ? numbers.residual[pixel * c.filters + filter] : 0;
      if (!options.residual_is_last) sum += residual;
      sum = activated(sum, c.epilogue);
      if (options.residual_is_last) sum += residual;
      expected.values.push_back(sum);
      expected.sizes.push_back(size + 1);
    }
  }
  // The results of a Winograd tile share their rounding errors.
  if (c.algorithm == Algorithm::winograd_2 || c.algorithm == Algorithm::winograd_4) {
    const double largest = *std::max_element(expected.sizes.begin(), expected.sizes.end());
    std::fill(expected.sizes.begin(), expected.sizes.end(), largest);
  }
  return expected;
}

std::string description(const Convolution& c, const Options& options) {
  const auto pair = [](std::int64_t a, std::int64_t b) {
    return std::to_string(a) + "x" + std::to_string(b);
  };
  return "algorithm " + std::to_string(static_cast<int>(c.algorithm)) + " batch " +
         std::to_string(c.batch) + " image " + pair(c.height, c.width) + " channels " +
         pair(c.channels, c.filters) + " kernel " + pair(c.kernel_height, c.kernel_width) +
         " stride " + pair(c.stride_height, c.stride_width) + " pad " +
         pair(c.pad_top, c.pad_left) + " dilation " + pair(c.dilation_height, c.dilation_width) +
         " groups " + std::to_string(c.groups) + " result " + pair(c.out_height, c.out_width) +
         " residual " + pair(options.residual, options.residual_is_last) + " activation " +
         std::to_string(static_cast<int>(options.activation));
}

/// The convolution by a team of `count` threads, one after the other.
std::vector<float> result_of(Convolution c, Numbers& numbers, const Options& options, int count) {
  const std::int64_t size = c.batch * c.out_height * c.out_width * c.filters;
  Guarded packed(level().packed_filters_size(c)), result(size, 777);
  level().pack_filters(c, numbers.filters.data(), packed.data());
  packed.check();
  if (options.residual == 2)
    std::copy(numbers.residual.begin(), numbers.residual.end(), result.data());
  c.input = numbers.input.data();
  c.weight = packed.data();
  c.result = result.data();
  c.epilogue.bias = options.has_bias ? numbers.bias.data() : nullptr;
  c.epilogue.residual = options.residual == 2   ? result.data()
                        : options.residual == 1 ? numbers.residual.data()
                                                : nullptr;
  c.epilogue.residual_stride = c.filters;
  c.epilogue.residual_is_last = options.residual_is_last;
  for (int index = 0; index < count; ++index) {
    Guarded scratch(level().convolve_scratch(c), std::numeric_limits<float>::quiet_NaN());
    level().convolve(c, {index, count}, scratch.data());
    scratch.check();
  }
  result.check();
  return {result.data(), result.data() + size};
}

/// Rounding errors, as multiples of float's precision times the sum of the terms' sizes.
double tolerance(Algorithm algorithm) { return algorithm == Algorithm::winograd_4 ? 40 : 6; }

void check(Convolution c, const Options& options, std::mt19937& random) {
  c.epilogue.activation = options.activation;
  c.epilogue.low = -0.5f;
  c.epilogue.high = 1.5f;
  Numbers numbers = numbers_of(c, random);
  const Expected expected = reference(c, numbers, options);
  SCOPED_TRACE(description(c, options));
  std::vector<float> first;
  for (int count = 1; count <= 5; ++count) {
    const std::vector<float> result = result_of(c, numbers, options, count);
    if (count == 1) first = result;
    for (std::size_t i = 0; i < result.size(); ++i) {
      const double allowed = tolerance(c.algorithm) * 1.2e-7 * expected.sizes[i] + 1e-6;
      ASSERT_NEAR(result[i], expected.values[i], allowed)
          << "at " << i << ", " << count << " threads";
      ASSERT_EQ(result[i], first[i]) << "at " << i << ", " << count << " threads";
    }
  }
}

/// Sets the result's size, of the convolution with this padding at the end.
void set_result(Convolution& c, std::int64_t pad_bottom, std::int64_t pad_right) {
  const auto size = [](std::int64_t size, std::int64_t kernel, std::int64_t stride,
                       std::int64_t dilation) {
    return (size - (kernel - 1) * dilation - 1) / stride + 1;
  };
  c.out_height =
      size(c.height + c.pad_top + pad_bottom, c.kernel_height, c.stride_height, c.dilation_height);
  c.out_width =
      size(c.width + c.pad_left + pad_right, c.kernel_width, c.stride_width, c.dilation_width);
}

/// A convolution of square images and kernels.
Convolution square(std::int64_t batch, std::int64_t size, std::int64_t channels,
                   std::int64_t filters, std::int64_t kernel, std::int64_t stride,
                   std::int64_t pad) {
  Convolution c;
  c.batch = batch;
  c.height = c.width = size;
  c.channels = channels;
  c.filters = filters;
  c.kernel_height = c.kernel_width = kernel;
  c.stride_height = c.stride_width = stride;
  c.pad_top = c.pad_left = pad;
  set_result(c, pad, pad);
  return c;
}

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  Options options() {
    Options options;
    options.has_bias = between(0, 1) == 1;
    options.residual = static_cast<int>(between(0, 2));
    options.residual_is_last = between(0, 1) == 1;
    const Activation activations[] = {Activation::none, Activation::relu, Activation::hardswish,
                                      Activation::clamp};
    options.activation = activations[between(0, 3)];
    return options;
  }
  std::mt19937& generator() { return random_; }

 private:
  std::mt19937 random_;
};

/// Random sizes of image and kernel, all else 1.
Convolution random_window(Random& random, std::int64_t most_size, std::int64_t most_kernel) {
  Convolution c;
  std::int64_t pad_bottom = 0, pad_right = 0;
  do {
    c.batch = random.between(1, 3);
    c.height = random.between(1, most_size);
    c.width = random.between(1, most_size);
    c.kernel_height = random.between(1, most_kernel);
    c.kernel_width = random.between(1, most_kernel);
    c.stride_height = random.between(1, 3);
    c.stride_width = random.between(1, 3);
    c.dilation_height = random.between(1, 3) == 3 ? 2 : 1;
    c.dilation_width = random.between(1, 3) == 3 ? 2 : 1;
    const bool is_padded = random.between(0, 2) > 0;
    c.pad_top = is_padded ? random.between(0, c.kernel_height) : 0;
    c.pad_left = is_padded ? random.between(0, c.kernel_width) : 0;
    pad_bottom = is_padded ? random.between(0, c.kernel_height) : 0;
    pad_right = is_padded ? random.between(0, c.kernel_width) : 0;
  } while (c.height + c.pad_top + pad_bottom <= (c.kernel_height - 1) * c.dilation_height ||
           c.width + c.pad_left + pad_right <= (c.kernel_width - 1) * c.dilation_width);
  set_result(c, pad_bottom, pad_right);
  return c;
}

TEST(ComputeConvolutionTest, DirectOfRandomSizes) {
  Random random(1);
  for (int i = 0; i < 250; ++i) {
    Convolution c = random_window(random, 14, 5);
    c.groups = random.between(1, 4) == 4 ? random.between(2, 3) : 1;
    c.channels = c.groups * random.between(1, random.between(1, 40));
    c.filters = c.groups * random.between(1, random.between(1, 70));
    check(c, random.options(), random.generator());
    if (HasFatalFailure()) return;
  }
}

TEST(ComputeConvolutionTest, DirectInBlocks) {
  Random random(2);
  const Convolution cases[] = {
      square(1, 9, 300, 35, 3, 1, 1),  // Blocks of terms: parts of a tap.
      square(3, 4, 512, 40, 3, 1, 1),  // Several images at once.
      square(2, 1, 96, 24, 1, 1, 0),   // Squeeze and excite.
      square(2, 40, 64, 17, 3, 1, 1),  // Blocks of lines.
      square(1, 75, 3, 20, 7, 2, 3),   // The first layer.
      square(1, 60, 128, 9, 3, 2, 1), square(5, 1, 40, 100, 3, 1, 1),  // One pixel each.
      square(1, 17, 70, 33, 1, 2, 0),                                  // A product with gaps.
      square(4, 6, 40, 20, 6, 1, 0),                                   // One result an image.
  };
  for (const Convolution& c : cases) check(c, random.options(), random.generator());

  Convolution sound;  // Blocks of a line.
  sound.batch = 2;
  sound.height = 1;
  sound.width = 700;
  sound.channels = 100;
  sound.filters = 20;
  sound.kernel_width = 5;
  sound.pad_left = 2;
  set_result(sound, 0, 2);
  check(sound, random.options(), random.generator());
  sound.stride_width = 3;
  sound.dilation_width = 2;
  set_result(sound, 0, 2);
  check(sound, random.options(), random.generator());
}

TEST(ComputeConvolutionTest, DepthwiseOfRandomSizes) {
  Random random(3);
  for (int i = 0; i < 250; ++i) {
    Convolution c = random_window(random, 20, 5);
    if (i % 2 == 0) {
      c.kernel_width = c.kernel_height = random.between(0, 1) == 0 ? 3 : 5;
      c.dilation_width = c.dilation_height = 1;
      c.stride_height = c.stride_width = random.between(1, 2);
      c.pad_top = c.pad_left = c.kernel_width / 2;
      set_result(c, c.pad_top, c.pad_left);
    }
    c.channels = c.filters = c.groups = random.between(2, 50);
    c.algorithm = Algorithm::depthwise;
    check(c, random.options(), random.generator());
    if (HasFatalFailure()) return;
  }
}

TEST(ComputeConvolutionTest, WinogradOfRandomSizes) {
  Random random(4);
  for (int i = 0; i < 120; ++i) {
    Convolution c;
    c.batch = random.between(1, 3);
    c.height = random.between(1, 20);
    c.width = random.between(1, 20);
    c.channels = random.between(1, random.between(1, 70));
    c.filters = random.between(1, random.between(1, 70));
    c.kernel_height = c.kernel_width = 3;
    c.pad_top = random.between(0, 2);
    c.pad_left = random.between(0, 2);
    const std::int64_t pad_bottom = 2, pad_right = random.between(2, 3);
    set_result(c, pad_bottom, pad_right);
    for (const Algorithm algorithm : {Algorithm::winograd_2, Algorithm::winograd_4}) {
      c.algorithm = algorithm;
      check(c, random.options(), random.generator());
      if (HasFatalFailure()) return;
    }
  }
}

TEST(ComputeConvolutionTest, ChoosesWhatFits) {
  for (const std::int64_t size : {1, 2, 4, 7, 14, 28, 56}) {
    for (const std::int64_t channels : {1, 3, 16, 64, 512}) {
      EXPECT_NE(level().choose_algorithm(square(1, size, channels, 64, 3, 1, 1), true),
                Algorithm::winograd_4);
      EXPECT_EQ(level().choose_algorithm(square(1, size, channels, 64, 3, 2, 1), false),
                Algorithm::direct);
      EXPECT_EQ(level().choose_algorithm(square(1, size, channels, 64, 1, 1, 0), false),
                Algorithm::direct);
      Convolution grouped = square(1, size, channels * 2, channels * 4, 3, 1, 1);
      grouped.groups = channels * 2;
      EXPECT_EQ(level().choose_algorithm(grouped, false), Algorithm::direct);
      grouped.filters = grouped.channels;
      EXPECT_EQ(level().choose_algorithm(grouped, false), Algorithm::depthwise);
    }
  }
  EXPECT_EQ(level().choose_algorithm(square(1, 56, 64, 64, 3, 1, 1), false), Algorithm::winograd_4);
}

TEST(ComputeConvolutionTest, KeepsWhatIsNoNumber) {
  std::mt19937 random(5);
  for (const Algorithm algorithm :
       {Algorithm::direct, Algorithm::depthwise, Algorithm::winograd_2, Algorithm::winograd_4}) {
    Convolution c = square(1, 9, 20, 20, 3, 1, 1);
    c.groups = algorithm == Algorithm::depthwise ? 20 : 1;
    c.algorithm = algorithm;
    c.epilogue.activation = Activation::relu;
    Numbers numbers = numbers_of(c, random);
    numbers.input[(4 * 9 + 4) * 20 + 7] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> result = result_of(c, numbers, {}, 1);
    const auto at = [&](int y, int x) { return result[(y * 9 + x) * 20 + 7]; };
    EXPECT_TRUE(std::isnan(at(4, 4)) && std::isnan(at(3, 5)));
    EXPECT_FALSE(std::isnan(at(0, 0)) || std::isnan(at(8, 8)));
  }
}

}  // namespace
}  // namespace torchship::compute
