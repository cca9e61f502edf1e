#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "level.h"


namespace torchship::compute {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> result(static_cast<std::size_t>(count));
  for (float& number : result) number = uniform(random);
  return result;
}

enum class Mask { none, dense, of_columns, of_heads, strided, hides_first_columns };

struct Case {
  std::int64_t batch = 1, heads = 2, key_heads = 2, rows = 1, columns = 1, width = 8, value_width = 8;
  bool is_causal = false;
  Mask mask = Mask::none;
  int threads = 1;
  float scale = 0.7f;

  std::string text() const {
    return std::to_string(batch) + " x " + std::to_string(heads) + " (" + std::to_string(key_heads) +
           "), " + std::to_string(rows) + " x " + std::to_string(columns) + ", " +
           std::to_string(width) + ", " +
           std::to_string(value_width) + ", causal " + std::to_string(is_causal) + ", mask " +
           std::to_string(static_cast<int>(mask)) + ", threads " + std::to_string(threads);
  }
};

/// A matrix of each head, [batch, tokens, heads, width] in memory, with a gap after each token.
struct Heads {
  std::vector<float> memory;
  std::int64_t strides[3];

  Heads(std::int64_t batch, std::int64_t heads, std::int64_t tokens, std::int64_t width, unsigned seed) {
    const std::int64_t token = heads * width + 3;
    memory = numbers(batch * tokens * token, seed);
    if (!memory.empty()) memory.resize(memory.size() - 3);  // Reading the last gap is an error.
    strides[0] = tokens * token, strides[1] = width, strides[2] = token;
  }
  std::size_t index(std::int64_t b, std::int64_t head, std::int64_t token, std::int64_t i) const {
    return static_cast<std::size_t>(b * strides[0] + head * strides[1] + token * strides[2] + i);
  }
  float at(std::int64_t b, std::int64_t head, std::int64_t token, std::int64_t i) const {
    return memory[index(b, head, token, i)];
  }
  void give(const float*& data, std::int64_t (&to)[3]) const {
    data = memory.data();
    std::copy(strides, strides + 3, to);
  }
};

std::vector<float> mask_of(const Case& of, std::int64_t (&strides)[4]) {
  const auto set = [&](std::int64_t batch, std::int64_t head, std::int64_t row, std::int64_t column) {
    strides[0] = batch, strides[1] = head, strides[2] = row, strides[3] = column;
  };
  switch (of.mask) {
    case Mask::none: return {};
    case Mask::dense:
      set(of.heads * of.rows * of.columns, of.rows * of.columns, of.columns, 1);
      return numbers(of.batch * of.heads * of.rows * of.columns, 9);
    case Mask::of_columns: set(of.columns, 0, 0, 1); return numbers(of.batch * of.columns, 9);
    case Mask::of_heads: set(0, 1, 0, 0); return numbers(of.heads, 9);
    case Mask::strided: set(0, 0, 2 * of.columns, 2); return numbers(2 * of.rows * of.columns, 9);
    case Mask::hides_first_columns: {
      set(0, 0, 0, 1);
      std::vector<float> mask(static_cast<std::size_t>(of.columns), -kInfinity);
      for (std::int64_t i = of.columns * 3 / 4; i < of.columns; ++i) mask[static_cast<std::size_t>(i)] = 0;
      return mask;
    }
  }
  return {};
}

/// Attends, checks, and gives the result's memory. Queries are multiplied by `sharpness`.
std::vector<float> check(const Case& of, float sharpness = 1) {
  SCOPED_TRACE(of.text());
  Heads q(of.batch, of.heads, of.rows, of.width, 1);
  for (float& number : q.memory) number *= sharpness;
  const Heads k(of.batch, of.key_heads, of.columns, of.width, 2);
  const Heads v(of.batch, of.key_heads, of.columns, of.value_width, 3);
  Heads result(of.batch, of.heads, of.rows, of.value_width, 4);
  const std::vector<float> before = result.memory;

  Attention attention;
  attention.batch = of.batch, attention.heads = of.heads, attention.key_heads = of.key_heads;
  attention.rows = of.rows, attention.columns = of.columns;
  attention.width = of.width, attention.value_width = of.value_width;
  attention.scale = of.scale, attention.is_causal = of.is_causal;
  q.give(attention.q, attention.q_strides);
  k.give(attention.k, attention.k_strides);
  v.give(attention.v, attention.v_strides);
  std::copy(result.strides, result.strides + 3, attention.result_strides);
  attention.result = result.memory.data();
  const std::vector<float> mask = mask_of(of, attention.mask_strides);
  if (of.mask != Mask::none) attention.mask = mask.data();
  for (int i = 0; i < of.threads; ++i) {
    std::vector<float> scratch(static_cast<std::size_t>(level().attend_scratch(attention)), NAN);
    level().attend(attention, {i, of.threads}, scratch.data());
  }

  std::vector<bool> is_written(result.memory.size());
  const std::int64_t* strides = attention.mask_strides;
  for (std::int64_t b = 0; b < of.batch; ++b) {
    for (std::int64_t head = 0; head < of.heads; ++head) {
      const std::int64_t key_head = head / (of.heads / of.key_heads);
      for (std::int64_t row = 0; row < of.rows; ++row) {
        std::vector<double> scores;
        for (std::int64_t column = 0; column < of.columns && (!of.is_causal || column <= row); ++column) {
          double score = 0;
          for (std::int64_t i = 0; i < of.width; ++i) {
            score += static_cast<double>(q.at(b, head, row, i)) * k.at(b, key_head, column, i);
          }
          score *= of.scale;
          if (of.mask != Mask::none) {
            score += mask[static_cast<std::size_t>(b * strides[0] + head * strides[1] + row * strides[2] +
                                                   column * strides[3])];
          }
          scores.push_back(score);
        }
        const double largest = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double& score : scores) sum += score = std::exp(score - largest);
        for (std::int64_t i = 0; i < of.value_width; ++i) {
          double expected = 0;
          for (std::size_t column = 0; column < scores.size(); ++column) {
            expected += scores[column] / sum * v.at(b, key_head, static_cast<std::int64_t>(column), i);
          }
          const float actual = result.at(b, head, row, i);
          is_written[result.index(b, head, row, i)] = true;
          if (!(std::fabs(actual - expected) <= 3e-6 * sharpness)) {
            ADD_FAILURE() << actual << " for " << expected << " at " << b << ", " << head << ", " << row
                          << ", " << i;
            return result.memory;
          }
        }
      }
    }
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (is_written[i]) continue;
    EXPECT_EQ(result.memory[i], before[i]) << "in a gap";
  }
  return result.memory;
}

TEST(ComputeAttentionTest, AllSmallSizes) {
  for (std::int64_t rows : {0, 1, 2, 3, 4, 5, 6, 7, 13, 24, 25, 49, 64}) {
    for (std::int64_t columns : {0, 1, 2, 5, 8, 15, 16, 17, 31, 33, 64}) {
      for (bool is_causal : {false, true}) {
        check({.rows = rows, .columns = columns, .width = 12, .value_width = 20, .is_causal = is_causal});
      }
    }
  }
}

TEST(ComputeAttentionTest, Widths) {
  for (std::int64_t rows : {1, 9}) {
    for (std::int64_t width : {0, 1, 3, 4, 7, 8, 9, 16, 20, 32, 40, 64, 100}) {
      for (std::int64_t value_width : {1, 3, 8, 15, 16, 17, 24, 32, 33, 64, 71}) {
        check({.rows = rows, .columns = 19, .width = width, .value_width = value_width});
      }
    }
  }
}

TEST(ComputeAttentionTest, ManyColumnsAreDoneInBlocks) {
  for (std::int64_t rows : {1, 3, 30, 300}) {
    for (std::int64_t columns : {255, 256, 257, 511, 700}) {
      for (bool is_causal : {false, true}) {
        for (float sharpness : {1.0f, 12.0f}) {
          check({.key_heads = 1, .rows = rows, .columns = columns, .is_causal = is_causal}, sharpness);
        }
      }
    }
  }
}

TEST(ComputeAttentionTest, Masks) {
  for (std::int64_t rows : {1, 4, 30}) {
    for (std::int64_t columns : {4, 7, 40, 600}) {
      for (auto mask : {Mask::dense, Mask::of_columns, Mask::of_heads, Mask::strided,
                        Mask::hides_first_columns}) {
        check({.batch = 2, .rows = rows, .columns = columns, .value_width = 11, .mask = mask});
      }
      check({.rows = rows, .columns = columns, .is_causal = true, .mask = Mask::dense});
    }
  }
}

TEST(ComputeAttentionTest, HeadsShareKeys) {
  for (std::int64_t rows : {1, 9}) {
    for (std::int64_t key_heads : {1, 2, 3, 6}) {
      check({.batch = 2, .heads = 6, .key_heads = key_heads, .rows = rows, .columns = 21, .width = 16});
    }
  }
}

TEST(ComputeAttentionTest, ThreadsGiveTheSameBits) {
  for (std::int64_t rows : {1, 3, 20, 64, 100}) {
    for (std::int64_t heads : {1, 2, 6}) {
      for (bool is_causal : {false, true}) {
        Case of{.heads = heads, .key_heads = heads, .rows = rows, .columns = 100, .is_causal = is_causal};
        const auto alone = check(of);
        for (int threads = 2; threads <= 5; ++threads) {
          of.threads = threads;
          EXPECT_EQ(check(of), alone);
        }
      }
    }
  }
}

TEST(ComputeAttentionTest, WhatIsNoNumberGoesThrough) {
  for (std::int64_t rows : {1, 7}) {
    for (std::int64_t columns : {3, 20, 600}) {
      const std::vector<float> ones(static_cast<std::size_t>(columns * 8), 1);
      std::vector<float> q(static_cast<std::size_t>(rows * 8), 1);
      Attention attention;
      attention.batch = attention.heads = attention.key_heads = 1;
      attention.rows = rows, attention.columns = columns, attention.width = attention.value_width = 8;
      attention.q_strides[2] = attention.k_strides[2] = 8;
      attention.v_strides[2] = attention.result_strides[2] = 8;
      std::vector<float> result(q.size());
      attention.q = q.data(), attention.k = attention.v = ones.data(), attention.result = result.data();
      std::vector<float> scratch(static_cast<std::size_t>(level().attend_scratch(attention)));
      const auto expect = [&](const std::string& what, bool first_row_is_nan, bool others_are_nan) {
        SCOPED_TRACE(what + " " + std::to_string(rows) + " x " + std::to_string(columns));
        level().attend(attention, {0, 1}, scratch.data());
        for (std::size_t i = 0; i < result.size(); ++i) {
          const bool is_nan = i < 8 ? first_row_is_nan : others_are_nan;
          EXPECT_EQ(std::isnan(result[i]), is_nan) << i << ": " << result[i];
        }
      };
      const std::vector<float> hides(static_cast<std::size_t>(columns), -kInfinity);
      attention.mask = hides.data();
      attention.mask_strides[3] = 1;
      expect("all masked", false, false);
      EXPECT_EQ(result, std::vector<float>(result.size())) << "as scaled_dot_product_attention gives";
      attention.unseen = NAN;
      expect("all masked, as softmax gives", true, true);
      attention.mask = nullptr;
      expect("numbers", false, false);
      q[2] = NAN;
      expect("NaN", true, false);
      q[2] = kInfinity;
      expect("infinity", true, false);
    }
  }
}

}  // namespace
}  // namespace torchship::compute
