// softmax, layer_norm, rms_norm and reduce.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compute/pointwise.h"
#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<double> softmax_of(const float* values, std::int64_t count) {
  double largest = -INFINITY, sum = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = values[i] > largest ? values[i] : largest;
  std::vector<double> result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(std::exp(values[i] - largest));
  for (const double value : result) sum += value;
  for (double& value : result) value /= sum;
  return result;
}

Normalisation rows_of(std::int64_t rows, std::int64_t columns, Guarded& input, Guarded& result) {
  Normalisation normalisation;
  normalisation.rows = rows;
  normalisation.columns = columns;
  normalisation.input = input.data();
  normalisation.input_stride = rows == 0 ? 0 : input.size() / rows;
  normalisation.result = result.data();
  normalisation.result_stride = rows == 0 ? 0 : result.size() / rows;
  return normalisation;
}

TEST(Softmax, AllSizesAndShares) {
  for (const std::int64_t columns :
       {1, 2, 3, 7, 8, 9, 16, 31, 33, 64, 100, 1000, 4097, 20000, 100000}) {
    for (const std::int64_t rows : {1, 3, 6}) {
      Guarded input(rows * (columns + 3)), result(rows * (columns + 1));
      input.randomise(static_cast<unsigned>(columns), -20, 20);
      for (int threads = 1; threads <= 5; ++threads) {
        for (std::int64_t i = 0; i < result.size(); ++i) result[i] = -1;
        for_each_share(threads, [&](Share share) {
          level().softmax(rows_of(rows, columns, input, result), share);
        });
        for (std::int64_t row = 0; row < rows; ++row) {
          const std::vector<double> expected =
              softmax_of(input.data() + row * (columns + 3), columns);
          for (std::int64_t i = 0; i < columns; ++i) {
            const double value = expected[static_cast<std::size_t>(i)];
            ASSERT_NEAR(result[row * (columns + 1) + i], value, 5e-6 * value + 1e-37);
          }
          ASSERT_EQ(result[row * (columns + 1) + columns], -1);  // Between rows.
        }
        ASSERT_TRUE(result.is_intact());
      }
    }
  }
}

TEST(Softmax, SpecialValues) {
  for (const std::int64_t columns : {3, 8, 20}) {
    Guarded input(columns), result(columns);
    const auto all = [&](double expected) {
      level().softmax(rows_of(1, columns, input, result), Share{});
      for (std::int64_t i = 0; i < columns; ++i) {
        ASSERT_TRUE(is_close(result[i], expected, 1e-6));
      }
    };
    for (std::int64_t i = 0; i < columns; ++i) input[i] = -kInfinity;
    all(kNaN);
    input[columns - 1] = 5;  // The others are masked.
    level().softmax(rows_of(1, columns, input, result), Share{});
    for (std::int64_t i = 0; i < columns; ++i) ASSERT_EQ(result[i], i == columns - 1 ? 1 : 0);
    input[0] = kNaN;
    all(kNaN);
    input.randomise(1);
    input[columns - 1] = kNaN;
    all(kNaN);
    input[columns - 1] = kInfinity;
    level().softmax(rows_of(1, columns, input, result), Share{});
    ASSERT_TRUE(std::isnan(result[columns - 1]));
    for (std::int64_t i = 0; i < columns; ++i) input[i] = 3e38f;
    all(1.0 / static_cast<double>(columns));
  }
}

TEST(Softmax, InPlace) {
  Guarded values(100), copy(100);
  values.randomise(1);
  for (int i = 0; i < 100; ++i) copy[i] = values[i];
  level().softmax(rows_of(4, 25, values, values), Share{});
  for (std::int64_t row = 0; row < 4; ++row) {
    const std::vector<double> expected = softmax_of(copy.data() + row * 25, 25);
    for (std::int64_t i = 0; i < 25; ++i)
      ASSERT_NEAR(values[row * 25 + i], expected[static_cast<std::size_t>(i)], 1e-6);
  }
}

struct LayerNormCase {
  std::int64_t rows, columns;
  bool weight, bias, residual, sum;
  float offset = 0;
  double tolerance = 1e-5;
};

void check_layer_norm(const LayerNormCase& each, bool in_place = false) {
  Guarded input(each.rows * (each.columns + 2)), residual(each.rows * (each.columns + 5)),
      sum(each.rows * (each.columns + 4));
  Guarded weight(each.columns), bias(each.columns), result(each.rows * (each.columns + 2));
  input.randomise(1, each.offset - 2, each.offset + 2), residual.randomise(2), weight.randomise(3),
      bias.randomise(4);
  const std::vector<float> original(input.data(), input.data() + input.size());
  for (int threads = 1; threads <= 5; ++threads) {
    for (std::int64_t i = 0; i < input.size(); ++i)
      input[i] = original[static_cast<std::size_t>(i)];
    Normalisation rows = rows_of(each.rows, each.columns, input, in_place ? input : result);
    rows.epsilon = 1e-5;
    if (each.weight) rows.weight = weight.data();
    if (each.bias) rows.bias = bias.data();
    if (each.residual) rows.residual = residual.data(), rows.residual_stride = each.columns + 5;
    if (each.sum) rows.sum = sum.data(), rows.sum_stride = each.columns + 4;
    for_each_share(threads, [&](Share share) { level().layer_norm(rows, share); });
    for (std::int64_t row = 0; row < each.rows; ++row) {
      std::vector<double> values;
      double mean = 0, variance = 0;
      for (std::int64_t i = 0; i < each.columns; ++i) {
        const float value = original[static_cast<std::size_t>(row * (each.columns + 2) + i)];
        values.push_back(each.residual ? value + residual[row * (each.columns + 5) + i] : value);
        if (each.sum) {
          ASSERT_EQ(sum[row * (each.columns + 4) + i], static_cast<float>(values.back()));
        }
        mean += values.back() / static_cast<double>(each.columns);
      }
      for (const double value : values)
        variance += (value - mean) * (value - mean) / static_cast<double>(each.columns);
      for (std::int64_t i = 0; i < each.columns; ++i) {
        double expected = (values[static_cast<std::size_t>(i)] - mean) / std::sqrt(variance + 1e-5);
        if (each.weight) expected *= weight[i];
        if (each.bias) expected += bias[i];
        ASSERT_TRUE(is_close(rows.result[row * rows.result_stride + i], expected, each.tolerance))
            << each.rows << " x " << each.columns << " at " << row << ", " << i;
      }
    }
    for (const Guarded* buffer : {&input, &residual, &sum, &weight, &bias, &result})
      ASSERT_TRUE(buffer->is_intact());
  }
}

TEST(LayerNorm, AllSizesAndOptions) {
  for (const std::int64_t columns : {2, 3, 7, 8, 9, 31, 32, 65, 384, 1023, 5000}) {
    for (int options = 0; options < 16; ++options) {
      const bool residual = (options & 4) != 0;
      check_layer_norm({5, columns, (options & 1) != 0, (options & 2) != 0, residual,
                        residual && (options & 8) != 0});
    }
  }
  check_layer_norm({1, 64, true, true, false, false});
}

TEST(LayerNorm, InPlace) {
  check_layer_norm({4, 77, true, true, false, false}, true);
  check_layer_norm({4, 77, true, true, true, true}, true);
  check_layer_norm({4, 77, true, true, true, false}, true);
}

TEST(LayerNorm, LargeMeansDoNotCancel) {
  check_layer_norm({3, 512, false, false, false, false, 1000, 2e-4});
}

TEST(LayerNorm, OneColumnAndWhatIsNoNumber) {
  Guarded input(3), result(3);
  input[0] = 5, input[1] = kNaN, input[2] = -5;
  Normalisation rows = rows_of(3, 1, input, result);
  rows.epsilon = 1e-5;
  level().layer_norm(rows, Share{});
  EXPECT_EQ(result[0], 0);
  EXPECT_TRUE(std::isnan(result[1]));
  EXPECT_EQ(result[2], 0);
}

TEST(RmsNorm, AllSizesAndOptions) {
  constexpr std::int64_t kRows = 5;
  for (const std::int64_t columns : {1, 3, 8, 9, 65, 384, 5000}) {
    Guarded input(kRows * (columns + 2)), residual(kRows * columns), sum(kRows * columns);
    Guarded weight(columns), result(kRows * columns);
    input.randomise(1, -1, 3), residual.randomise(2), weight.randomise(3);
    for (int options = 0; options < 4; ++options) {
      Normalisation rows = rows_of(kRows, columns, input, result);
      rows.epsilon = 1e-6;
      const bool has_weight = (options & 1) != 0, has_residual = (options & 2) != 0;
      if (has_weight) rows.weight = weight.data();
      if (has_residual) rows.residual = residual.data(), rows.residual_stride = columns;
      if (has_residual) rows.sum = sum.data(), rows.sum_stride = columns;
      for (int threads = 1; threads <= 5; ++threads) {
        for_each_share(threads, [&](Share share) { level().rms_norm(rows, share); });
        for (std::int64_t row = 0; row < kRows; ++row) {
          const auto value = [&](std::int64_t i) -> double {
            const float from = input[row * (columns + 2) + i];
            return has_residual ? from + residual[row * columns + i] : from;
          };
          double squares = 0;
          for (std::int64_t i = 0; i < columns; ++i)
            squares += value(i) * value(i) / static_cast<double>(columns);
          for (std::int64_t i = 0; i < columns; ++i) {
            double expected = value(i) / std::sqrt(squares + 1e-6);
            if (has_weight) expected *= weight[i];
            ASSERT_TRUE(is_close(result[row * columns + i], expected, 3e-6));
          }
        }
        ASSERT_TRUE(result.is_intact() && sum.is_intact());
      }
    }
  }
}

TEST(RmsNorm, WhatIsNoNumberStays) {
  Guarded input(20), result(20);
  input.randomise(1);
  input[13] = kNaN;
  level().rms_norm(rows_of(2, 10, input, result), Share{});
  for (std::int64_t i = 0; i < 20; ++i) ASSERT_EQ(std::isnan(result[i]), i >= 10);
}

double reduced(const Reducing& reducing, std::int64_t outer, std::int64_t inner) {
  double sum = 0, largest = -INFINITY, smallest = INFINITY;
  for (std::int64_t i = 0; i < reducing.reduced; ++i) {
    const double value = reducing.input[(outer * reducing.reduced + i) * reducing.inner + inner];
    sum += value;
    if (std::isnan(value) || value > largest) largest = value;
    if (std::isnan(value) || value < smallest) smallest = value;
    if (std::isnan(value)) return value;
  }
  switch (reducing.reduction) {
    case Reduction::sum: return sum;
    case Reduction::mean: return sum / static_cast<double>(reducing.reduced);
    case Reduction::maximum: return largest;
    case Reduction::minimum: return smallest;
  }
  return 0;
}

void check_reduce(std::int64_t outer, std::int64_t count, std::int64_t inner,
                  bool with_nan = false) {
  Guarded input(outer * count * inner), result(outer * inner);
  input.randomise(7, -1, 3);
  if (with_nan) input[input.size() / 2] = kNaN, input[0] = kNaN;
  for (const Reduction reduction :
       {Reduction::sum, Reduction::mean, Reduction::maximum, Reduction::minimum}) {
    const Reducing reducing{reduction, outer, count, inner, input.data(), result.data()};
    for (int threads = 1; threads <= 5; ++threads) {
      for (std::int64_t i = 0; i < result.size(); ++i) result[i] = -77;
      for_each_share(threads, [&](Share share) { level().reduce(reducing, share); });
      for (std::int64_t i = 0; i < result.size(); ++i) {
        ASSERT_TRUE(is_close(result[i], reduced(reducing, i / inner, i % inner), 2e-6))
            << outer << ", " << count << ", " << inner << ": " << static_cast<int>(reduction);
      }
      ASSERT_TRUE(result.is_intact());
    }
  }
}

TEST(Reduce, AllSizes) {
  for (const std::int64_t inner : {1, 2, 5, 8, 17, 64, 65, 200}) {
    for (const std::int64_t count : {1, 2, 9, 49, 300}) {
      for (const std::int64_t outer : {1, 3}) check_reduce(outer, count, inner);
    }
  }
  check_reduce(3, 100000, 1);
  check_reduce(1, 30000, 3);
  check_reduce(0, 5, 3);
}

TEST(Reduce, WhatIsNoNumberStays) {
  for (const std::int64_t inner : {1, 3, 70}) check_reduce(2, 37, inner, true);
}

TEST(Reduce, NothingAtAll) {
  Guarded result(3);
  level().reduce({Reduction::mean, 1, 0, 3, nullptr, result.data()}, Share{});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(result[i]));
  level().reduce({Reduction::sum, 1, 0, 3, nullptr, result.data()}, Share{});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(result[i], 0);
}

}  // namespace
}  // namespace torchship::compute
