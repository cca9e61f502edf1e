#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "epilogues.h"
#include "level.h"

namespace torchship::compute {
namespace {

constexpr float kGuard = 12345.5f;

std::vector<float> numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> result(count);
  for (float& number : result) number = uniform(random);
  return result;
}

struct Case {
  std::int64_t m = 1, k = 1, n = 1;
  std::int64_t a_gap = 0, c_gap = 0;  ///< Floats between the end of a row and the next one.
  bool has_bias = false;
  enum { no_residual, own_residual, result_is_residual } residual = no_residual;
  bool residual_is_last = false;
  Activation activation = Activation::none;
  float scale = 1;
  int threads = 1;
  bool b_is_transposed = false;

  std::string text() const {
    return std::to_string(m) + " x " + std::to_string(k) + " x " + std::to_string(n) + ", residual " +
           std::to_string(residual) + ", activation " + std::to_string(static_cast<int>(activation)) +
           ", threads " + std::to_string(threads);
  }
};

/// Multiplies, checks, and gives the result's memory.
std::vector<float> check(const Case& of) {
  SCOPED_TRACE(of.text());
  const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  const auto rows_size = [&](std::int64_t stride, std::int64_t columns) {
    return of.m == 0 ? 0 : size((of.m - 1) * stride + columns);
  };
  const std::int64_t a_stride = of.k + of.a_gap, c_stride = of.n + of.c_gap, residual_stride = of.n + 3;
  const auto a = numbers(rows_size(a_stride, of.k), 1);
  const auto b = numbers(size(of.k * of.n), 2);
  const auto bias = numbers(size(of.n), 3);
  const auto own_residual = numbers(rows_size(residual_stride, of.n), 4);
  std::vector<float> c(rows_size(c_stride, of.n) + 1, kGuard);
  if (of.residual == Case::result_is_residual) c = numbers(c.size(), 5);
  const std::vector<float> before = c;

  Unpacked unpacked = {of.k, of.n, b.data(), of.n, 1};
  if (of.b_is_transposed) unpacked.k_stride = 1, unpacked.n_stride = of.k;
  std::vector<float> packed(size(level().packed_matrix_size(of.k, of.n, Format::float32)));
  level().pack_matrix(unpacked, Format::float32, packed.data());

  Product product;
  product.m = of.m, product.k = of.k, product.n = of.n;
  product.a = a.data(), product.a_stride = a_stride;
  product.b = packed.data();
  product.c = c.data(), product.c_stride = c_stride;
  product.scale = of.scale;
  if (of.has_bias) product.epilogue.bias = bias.data();
  if (of.residual == Case::own_residual) {
    product.epilogue.residual = own_residual.data();
    product.epilogue.residual_stride = residual_stride;
  } else if (of.residual == Case::result_is_residual) {
    product.epilogue.residual = c.data();
    product.epilogue.residual_stride = c_stride;
  }
  product.epilogue.residual_is_last = of.residual_is_last;
  product.epilogue.activation = of.activation;
  product.epilogue.low = -0.5f, product.epilogue.high = 0.75f;
  for (int i = 0; i < of.threads; ++i) {
    std::vector<float> scratch(size(level().multiply_scratch(product)), NAN);
    level().multiply(product, {i, of.threads}, scratch.data());
  }

  for (std::int64_t row = 0; row < of.m; ++row) {
    for (std::int64_t column = 0; column < of.n; ++column) {
      double sum = 0, magnitude = 1;
      for (std::int64_t k = 0; k < of.k; ++k) {
        const double term = static_cast<double>(a[size(row * a_stride + k)]) *
                            b[size(k * unpacked.k_stride + column * unpacked.n_stride)] * of.scale;
        sum += term;
        magnitude += std::fabs(term);
      }
      if (of.has_bias) sum += bias[size(column)];
      double residual = 0;
      if (of.residual == Case::own_residual) residual = own_residual[size(row * residual_stride + column)];
      if (of.residual == Case::result_is_residual) residual = before[size(row * c_stride + column)];
      const double expected = of.residual_is_last ? activated(product.epilogue, sum) + residual
                                                  : activated(product.epilogue, sum + residual);
      const float actual = c[size(row * c_stride + column)];
      if (!(std::fabs(actual - expected) <= 2e-6 * magnitude)) {
        ADD_FAILURE() << actual << " for " << expected << " at " << row << ", " << column;
        return c;
      }
    }
    for (std::int64_t i = row * c_stride + of.n; i < static_cast<std::int64_t>(c.size()); ++i) {
      if (i >= (row + 1) * c_stride) break;
      EXPECT_EQ(c[size(i)], before[size(i)]) << "after row " << row;
    }
  }
  return c;
}

TEST(ComputeMatrixTest, AllSmallSizes) {
  for (std::int64_t m = 0; m <= 20; ++m) {
    for (std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 24, 25, 31, 32, 33, 40, 48, 65, 129}) {
      for (std::int64_t k : {0, 1, 2, 3, 8, 17}) check({.m = m, .k = k, .n = n, .has_bias = true});
    }
  }
}

TEST(ComputeMatrixTest, LongSumsAreDoneInBlocks) {
  for (std::int64_t k : {383, 384, 385, 768, 769, 1537}) {
    for (std::int64_t m : {1, 2, 3, 6, 7, 8, 9, 13, 26}) {
      for (std::int64_t n : {1, 5, 12, 16, 20, 33}) {
        check({.m = m, .k = k, .n = n, .residual = Case::result_is_residual});
      }
    }
  }
  check({.m = 300, .k = 700, .n = 35, .c_gap = 2, .has_bias = true, .residual = Case::result_is_residual});
  check({.m = 100, .k = 5000, .n = 18, .activation = Activation::relu});
  check({.m = 3000, .k = 20, .n = 18, .activation = Activation::relu});
}

TEST(ComputeMatrixTest, Epilogues) {
  for (std::int64_t n : {1, 7, 16, 21, 43}) {
    for (std::int64_t m : {1, 2, 9, 17}) {
      for_each_epilogue(Case{.m = m, .k = 12, .n = n, .a_gap = 3}, [](const Case& of) { check(of); });
    }
  }
}

TEST(ComputeMatrixTest, ThreadsGiveTheSameBits) {
  constexpr std::int64_t kSizes[][3] = {{1, 50, 200}, {2, 400, 130}, {5, 30, 40},   {8, 512, 10},
                                        {8, 800, 96}, {64, 500, 80}, {100, 3, 8},   {77, 16, 1},
                                        {3, 9, 1},    {50, 64, 128}, {200, 17, 33}, {1, 3, 8}};
  for (const auto& [m, k, n] : kSizes) {
    Case of{.m = m, .k = k, .n = n, .has_bias = true, .residual = Case::result_is_residual};
    of.activation = Activation::gelu;
    const auto alone = check(of);
    for (int threads = 2; threads <= 5; ++threads) {
      of.threads = threads;
      EXPECT_EQ(check(of), alone);
    }
  }
}

TEST(ComputeMatrixTest, RowsGiveTheSameBitsWhereverTheyAre) {
  for (std::int64_t n : {1, 10, 70}) {
    const auto few = check({.m = 1, .k = 900, .n = n});
    const auto many = check({.m = 40, .k = 900, .n = n});
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) EXPECT_EQ(few[i], many[i]);
  }
}

TEST(ComputeMatrixTest, TransposedMatricesArePacked) {
  check({.m = 9, .k = 33, .n = 41, .b_is_transposed = true});
  check({.m = 9, .k = 33, .n = 1, .b_is_transposed = true});
}

TEST(ComputeMatrixTest, WhatIsNoNumberGoesThrough) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (std::int64_t n : {1, 5, 20}) {
    for (auto activation : {Activation::none, Activation::relu, Activation::clamp, Activation::gelu}) {
      const std::vector<float> a = {1, 2, nan, 1, infinity, 0, 1, 1, -infinity, 2, 2, 2};  // Times 0.
      const std::vector<float> b(static_cast<std::size_t>(3 * n), 0);
      const std::int64_t size = level().packed_matrix_size(3, n, Format::float32);
      std::vector<float> packed(static_cast<std::size_t>(size));
      level().pack_matrix({3, n, b.data(), n, 1}, Format::float32, packed.data());
      std::vector<float> c(static_cast<std::size_t>(4 * n));
      Product product;
      product.m = 4, product.k = 3, product.n = n;
      product.a = a.data(), product.a_stride = 3;
      product.b = packed.data(), product.c = c.data(), product.c_stride = n;
      product.epilogue.activation = activation;
      product.epilogue.high = 1;
      level().multiply(product, {0, 1}, nullptr);
      for (std::size_t i = 0; i < c.size(); ++i) {
        EXPECT_EQ(std::isnan(c[i]), i < static_cast<std::size_t>(3 * n)) << i << ": " << c[i];
      }
    }
  }
}

}  // namespace
}  // namespace torchship::compute
