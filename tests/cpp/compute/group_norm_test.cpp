// group_norm against sums in double.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "buffers.h"
#include "compute/pointwise.h"
#include "level.h"

namespace torchship::compute {
namespace {

struct Case {
  std::int64_t batch, positions, channels, groups;
  bool weight = true, bias = true;
  float offset = 0;
  double tolerance = 1e-5;
};

std::int64_t place(const GroupNorm& norm, std::int64_t image, std::int64_t position,
                   std::int64_t channel) {
  return norm.channels_last ? (image * norm.positions + position) * norm.channels + channel
                            : (image * norm.channels + channel) * norm.positions + position;
}

std::vector<double> reference(const GroupNorm& norm) {
  std::vector<double> result(static_cast<std::size_t>(norm.batch * norm.positions * norm.channels));
  const std::int64_t size = norm.channels / norm.groups;
  const auto count = static_cast<double>(size * norm.positions);
  for (std::int64_t unit = 0; unit < norm.batch * norm.groups; ++unit) {
    const auto for_each = [&](auto work) {
      for (std::int64_t i = 0; i < size * norm.positions; ++i) {
        const std::int64_t channel = unit % norm.groups * size + i % size;
        work(place(norm, unit / norm.groups, i / size, channel), channel);
      }
    };
    double mean = 0, variance = 0;
    for_each([&](std::int64_t at, std::int64_t) { mean += norm.input[at] / count; });
    for_each([&](std::int64_t at, std::int64_t) {
      variance += (norm.input[at] - mean) * (norm.input[at] - mean) / count;
    });
    for_each([&](std::int64_t at, std::int64_t channel) {
      double value = (norm.input[at] - mean) / std::sqrt(variance + norm.epsilon);
      if (norm.weight != nullptr) value *= norm.weight[channel];
      if (norm.bias != nullptr) value += norm.bias[channel];
      result[static_cast<std::size_t>(at)] = value;
    });
  }
  return result;
}

void check(const Case& each) {
  const std::int64_t size = each.batch * each.positions * each.channels;
  Guarded input(size), result(size), weight(each.channels), bias(each.channels);
  input.randomise(1, each.offset - 2, each.offset + 2);
  weight.randomise(2), bias.randomise(3);
  for (const bool channels_last : {false, true}) {
    GroupNorm norm{each.batch,
                   each.positions,
                   each.channels,
                   each.groups,
                   channels_last,
                   input.data(),
                   result.data(),
                   each.weight ? weight.data() : nullptr,
                   each.bias ? bias.data() : nullptr,
                   1e-5};
    const std::vector<double> expected = reference(norm);
    for (int threads = 1; threads <= 5; ++threads) {
      for (std::int64_t i = 0; i < size; ++i) result[i] = -77;
      for_each_share(threads, [&](Share share) { level().group_norm(norm, share); });
      for (std::int64_t i = 0; i < size; ++i) {
        ASSERT_TRUE(is_close(result[i], expected[static_cast<std::size_t>(i)], each.tolerance))
            << each.batch << " x " << each.positions << " x " << each.channels << ", "
            << each.groups << " groups, " << channels_last << " at " << i;
      }
      ASSERT_TRUE(result.is_intact());
    }
    // In place.
    Guarded values(size);
    for (std::int64_t i = 0; i < size; ++i) values[i] = input[i];
    norm.input = norm.result = values.data();
    for_each_share(2, [&](Share share) { level().group_norm(norm, share); });
    for (std::int64_t i = 0; i < size; ++i) ASSERT_NEAR(values[i], result[i], each.tolerance);
    ASSERT_TRUE(values.is_intact() && input.is_intact());
  }
}

TEST(GroupNorm, AllSizes) {
  // Two or three numbers may be nearly the same: what is left of their difference is multiplied.
  for (const std::int64_t positions : {2, 3}) {
    check({2, positions, 3, 3, true, true, 0, 2e-4});
    check({3, positions, 32, 32, true, true, 0, 2e-4});
  }
  for (const std::int64_t positions : {9, 49, 127, 128, 129, 300}) {
    check({1, positions, 1, 1});
    check({2, positions, 3, 3});
    check({2, positions, 6, 3});
    check({1, positions, 10, 1});
    check({3, positions, 32, 32});
    check({2, positions, 40, 4});
  }
  check({1, 1, 64, 8});
  check({1, 64, 320, 32});
  check({1, 9, 700, 700});
  check({2, 9, 1030, 1});
  check({1, 9, 1200, 2});
  check({1, 5000, 6, 2});
  check({0, 5, 6, 2});
}

TEST(GroupNorm, WeightOrBiasOrNone) {
  check({2, 33, 12, 4, true, false});
  check({2, 33, 12, 4, false, true});
  check({2, 33, 12, 4, false, false});
}

TEST(GroupNorm, LargeMeansDoNotCancel) {
  check({1, 300, 16, 4, false, false, 1000, 3e-4});
  check({1, 300, 16, 4, false, false, -1e5f, 3e-2});
}

TEST(GroupNorm, BlocksThatDiffer) {
  // All blocks but one are constant.
  constexpr std::int64_t kPositions = 1024, kChannels = 8;
  Guarded input(kPositions * kChannels), result(input.size());
  for (std::int64_t i = 0; i < input.size(); ++i)
    input[i] = i / kChannels < 900 ? 0 : 1000 + static_cast<float>(i % 7);
  for (const bool channels_last : {false, true}) {
    GroupNorm norm;
    norm.batch = 1, norm.positions = kPositions, norm.channels = kChannels, norm.groups = 2;
    norm.channels_last = channels_last, norm.epsilon = 1e-5;
    norm.input = input.data(), norm.result = result.data();
    level().group_norm(norm, {});
    const std::vector<double> expected = reference(norm);
    for (std::int64_t i = 0; i < result.size(); ++i)
      ASSERT_TRUE(is_close(result[i], expected[static_cast<std::size_t>(i)], 1e-5));
  }
}

TEST(GroupNorm, WhatIsNoNumberStaysInItsGroup) {
  Guarded input(50 * 16), result(50 * 16);
  input.randomise(1);
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    for (const bool channels_last : {false, true}) {
      GroupNorm norm;
      norm.batch = 1, norm.positions = 50, norm.channels = 16, norm.groups = 4;
      norm.channels_last = channels_last, norm.epsilon = 1e-5;
      norm.input = input.data(), norm.result = result.data();
      const std::int64_t at = place(norm, 0, 20, 5);
      const float before = input[at];
      input[at] = value;
      level().group_norm(norm, {});
      for (std::int64_t channel = 0; channel < 16; ++channel) {
        for (std::int64_t position = 0; position < 50; ++position) {
          ASSERT_EQ(std::isnan(result[place(norm, 0, position, channel)]), channel / 4 == 1);
        }
      }
      input[at] = before;
    }
  }
}

}  // namespace
}  // namespace torchship::compute
