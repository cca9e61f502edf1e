// Pooling against loops over single numbers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "compute/convolution.h"
#include "compute/share.h"
#include "level.h"

namespace torchship::compute {
namespace {

std::vector<double> reference(const Pooling& p) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < p.batch * p.out_height * p.out_width * p.channels; ++i) {
    const std::int64_t channel = i % p.channels, pixel = i / p.channels;
    const std::int64_t image = pixel / (p.out_height * p.out_width);
    const std::int64_t top = pixel / p.out_width % p.out_height * p.stride_height - p.pad_top;
    const std::int64_t left = pixel % p.out_width * p.stride_width - p.pad_left;
    double sum = 0, most = -std::numeric_limits<double>::infinity();
    std::int64_t inside = 0, counted = 0;
    for (std::int64_t ky = 0; ky < p.kernel_height; ++ky) {
      for (std::int64_t kx = 0; kx < p.kernel_width; ++kx) {
        const std::int64_t y = top + ky * p.dilation_height, x = left + kx * p.dilation_width;
        if (y < p.height + p.pad_top && x < p.width + p.pad_left) ++counted;
        if (y < 0 || y >= p.height || x < 0 || x >= p.width) continue;
        const double value = p.input[((image * p.height + y) * p.width + x) * p.channels + channel];
        ++inside;
        sum += value;
        if (value > most || std::isnan(value)) most = value;
      }
    }
    const auto divisor = static_cast<double>(p.counts_padding ? counted : inside);
    result.push_back(!p.is_average ? most : divisor > 0 ? sum / divisor : 0);
  }
  return result;
}

void check(Pooling p, std::vector<float> input) {
  constexpr float kMark = -12345.5f;
  constexpr std::size_t kGuard = 16;
  p.input = input.data();
  const std::vector<double> expected = reference(p);
  for (int count = 1; count <= 5; ++count) {
    std::vector<float> memory(expected.size() + 2 * kGuard, kMark);
    p.result = memory.data() + kGuard;
    for (int index = 0; index < count; ++index) level().pool(p, {index, count});
    for (std::size_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(memory[i], kMark);
      ASSERT_EQ(memory[memory.size() - 1 - i], kMark);
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE("at " + std::to_string(i) + ", threads " + std::to_string(count));
      const float result = p.result[i];
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(result));
      } else if (p.is_average) {
        ASSERT_NEAR(result, expected[i], 1e-5);
      } else {
        ASSERT_EQ(result, static_cast<float>(expected[i]));
      }
    }
  }
}

class Random {
 public:
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  std::vector<float> input(const Pooling& p) {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(p.batch * p.height * p.width * p.channels));
    for (float& value : values) value = normal(random_);
    return values;
  }

 private:
  std::mt19937 random_{7};
};

TEST(ComputePoolingTest, RandomSizes) {
  Random random;
  for (int i = 0; i < 400; ++i) {
    Pooling p;
    p.batch = random.between(1, 3);
    p.channels = random.between(1, random.between(1, 80));
    p.height = random.between(1, 16);
    p.width = random.between(1, 16);
    p.kernel_height = random.between(1, 5);
    p.kernel_width = random.between(1, 5);
    p.stride_height = random.between(1, 3);
    p.stride_width = random.between(1, 3);
    p.pad_top = random.between(0, p.kernel_height / 2);
    p.pad_left = random.between(0, p.kernel_width / 2);
    p.is_average = random.between(0, 1) == 1;
    p.counts_padding = random.between(0, 1) == 1;
    if (!p.is_average) {
      p.dilation_height = random.between(1, 3);
      p.dilation_width = random.between(1, 3);
    }
    const std::int64_t reach_height = (p.kernel_height - 1) * p.dilation_height + 1;
    const std::int64_t reach_width = (p.kernel_width - 1) * p.dilation_width + 1;
    if (p.height + 2 * p.pad_top < reach_height || p.width + 2 * p.pad_left < reach_width) continue;
    // Rounded up at times, as with ceil_mode.
    const std::int64_t more_height = random.between(0, 1) * (p.stride_height - 1);
    const std::int64_t more_width = random.between(0, 1) * (p.stride_width - 1);
    p.out_height = (p.height + 2 * p.pad_top - reach_height + more_height) / p.stride_height + 1;
    p.out_width = (p.width + 2 * p.pad_left - reach_width + more_width) / p.stride_width + 1;
    check(p, random.input(p));
    if (HasFatalFailure()) FAIL() << "case " << i;
  }
}

TEST(ComputePoolingTest, WholeImages) {
  Random random;
  for (const std::int64_t channels : {1, 7, 64, 577}) {
    Pooling p;
    p.batch = 2;
    p.channels = channels;
    p.height = p.kernel_height = 7;
    p.width = p.kernel_width = 6;
    p.out_height = p.out_width = 1;
    check(p, random.input(p));
    p.is_average = true;
    check(p, random.input(p));
  }
}

TEST(ComputePoolingTest, KeepsWhatIsNoNumber) {
  Random random;
  for (const bool is_average : {false, true}) {
    Pooling p;
    p.batch = 1;
    p.channels = 19;
    p.height = p.width = 6;
    p.kernel_height = p.kernel_width = 3;
    p.pad_top = p.pad_left = 1;
    p.out_height = p.out_width = 6;
    p.is_average = is_average;
    std::vector<float> input = random.input(p);
    for (const std::size_t i : {3u, 170u, 400u, 401u})
      input[i] = std::numeric_limits<float>::quiet_NaN();
    for (const std::size_t i : {100u, 250u}) input[i] = -std::numeric_limits<float>::infinity();
    if (!is_average) input[300] = std::numeric_limits<float>::infinity();
    if (is_average) input[100] = input[250] = 0;  // Infinities are no distance from one another.
    check(p, input);
  }
}

}  // namespace
}  // namespace torchship::compute
