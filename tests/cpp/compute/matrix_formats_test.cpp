// Packed matrices of fewer bits. Of one level: see matrix_test.cpp, which tests float32.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "epilogues.h"
#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Floats = std::vector<float>;  // Without guards, so that a sanitizer sees what is read beyond.

std::size_t index_of(std::int64_t i) { return static_cast<std::size_t>(i); }

Floats numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats result(index_of(count));
  for (float& number : result) number = uniform(random);
  return result;
}

Floats packed_of(const Unpacked& matrix, Format format) {
  Guarded packed(level().packed_matrix_size(matrix.k, matrix.n, format), kNan);
  level().pack_matrix(matrix, format, packed.data());
  EXPECT_TRUE(packed.is_intact());
  return {packed.data(), packed.data() + packed.size()};
}

void multiply(const Product& product, int threads) {
  for_each_share(threads, [&](Share share) {
    Guarded scratch(level().multiply_scratch(product), kNan);
    level().multiply(product, share, scratch.data());
    EXPECT_TRUE(scratch.is_intact());
  });
}

/// The nearest number with 8 bits of mantissa, halves to the even one; of finite ones.
float rounded_to_bfloat16(float number) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(number);
  const float down = std::bit_cast<float>(bits & 0xffff0000u);
  const float up = std::bit_cast<float>((bits & 0xffff0000u) + 0x10000u);
  const double to_down = std::fabs(static_cast<double>(number) - down);
  const double to_up = std::fabs(static_cast<double>(up) - number);
  if (to_down != to_up) return to_down < to_up ? down : up;
  return (bits & 0x10000u) == 0 ? down : up;
}

/// What int8 makes of a row or a column: numbers are scale * (quantised - zero_point).
struct Quantised {
  float scale = 1;
  std::int64_t zero_point = 0;
  std::vector<std::int64_t> values;
};

Quantised quantised_row(const Floats& row) {
  float low = 0, high = 0;
  for (const float number : row) low = std::min(low, number), high = std::max(high, number);
  Quantised result{.scale = std::max(high / 127 - low / 127, 0x1p-126f), .values = {}};
  const float inverse = 1 / result.scale;
  result.zero_point = std::lrint(-low * inverse);
  for (const float number : row) {
    result.values.push_back(
        std::clamp<std::int64_t>(std::lrint(number * inverse) + result.zero_point, 0, 127));
  }
  return result;
}

Quantised quantised_column(const Floats& column) {
  float largest = 0;
  for (const float number : column) largest = std::max(largest, std::fabs(number));
  Quantised result{.scale = std::max(largest / 127, 0x1p-126f), .values = {}};
  for (const float number : column) result.values.push_back(std::lrint(number / result.scale));
  return result;
}

/// A number of the product, and how far from it one may be.
struct Expected {
  double value = 0;
  double tolerance = 0;
};

Expected bfloat16_product(const Floats& row, const Floats& column) {
  Expected expected;
  for (std::size_t k = 0; k < row.size(); ++k) {
    const double term = static_cast<double>(row[k]) * rounded_to_bfloat16(column[k]);
    expected.value += term;
    expected.tolerance += 2e-6 * std::fabs(term);
  }
  return expected;
}

Expected int8_product(const Quantised& row, const Quantised& column) {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < row.values.size(); ++k) {
    sum += (row.values[k] - row.zero_point) * column.values[k];
  }
  const double value = static_cast<double>(sum) * row.scale * column.scale;
  return {value, 4e-7 * std::fabs(value)};
}

/// What it may be off the product of floats: half a step of each.
Expected float_product(const Floats& row, const Floats& column, float row_scale,
                       float column_scale) {
  Expected expected;
  for (std::size_t k = 0; k < row.size(); ++k) {
    expected.value += static_cast<double>(row[k]) * column[k];
    expected.tolerance += (std::fabs(row[k]) * column_scale / 2 +
                           std::fabs(column[k]) * row_scale / 2 + row_scale * column_scale / 4) *
                          1.0001;
  }
  return expected;
}

struct Case {
  Format format = Format::bfloat16;
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
    return std::to_string(m) + " x " + std::to_string(k) + " x " + std::to_string(n) + ", format " +
           std::to_string(static_cast<int>(format)) + ", residual " + std::to_string(residual) +
           ", activation " + std::to_string(static_cast<int>(activation)) + ", threads " +
           std::to_string(threads);
  }
};

/// A product with random operands, computed.
struct Computed {
  Case of;
  std::int64_t a_stride = of.k + of.a_gap, c_stride = of.n + of.c_gap, residual_stride = of.n + 3;
  Floats a = numbers(size_of_rows(a_stride, of.k), 1), b = numbers(of.k * of.n, 2);
  Floats bias = numbers(of.n, 3), residual = numbers(size_of_rows(residual_stride, of.n), 4);
  Guarded c{size_of_rows(c_stride, of.n)};
  Floats before;
  Epilogue epilogue;

  explicit Computed(const Case& case_of) : of(case_of) {
    c.randomise(5, -1, 1);
    before.assign(c.data(), c.data() + c.size());
    Unpacked unpacked = {of.k, of.n, b.data(), of.n, 1};
    if (of.b_is_transposed) unpacked.k_stride = 1, unpacked.n_stride = of.k;
    const Floats packed = packed_of(unpacked, of.format);
    epilogue.bias = of.has_bias ? bias.data() : nullptr;
    if (of.residual == Case::own_residual) {
      epilogue.residual = residual.data(), epilogue.residual_stride = residual_stride;
    } else if (of.residual == Case::result_is_residual) {
      epilogue.residual = c.data(), epilogue.residual_stride = c_stride;
    }
    epilogue.residual_is_last = of.residual_is_last;
    epilogue.activation = of.activation;
    epilogue.low = -0.5f, epilogue.high = 0.75f;
    Product product;
    product.m = of.m, product.k = of.k, product.n = of.n;
    product.a = a.data(), product.a_stride = a_stride;
    product.b = packed.data(), product.format = of.format;
    product.c = c.data(), product.c_stride = c_stride;
    product.scale = of.scale;
    product.epilogue = epilogue;
    multiply(product, of.threads);
  }

  std::int64_t size_of_rows(std::int64_t stride, std::int64_t columns) const {
    return of.m == 0 ? 0 : (of.m - 1) * stride + columns;
  }
  Floats row(std::int64_t index) const {
    const auto begin = a.begin() + index * a_stride;
    return {begin, begin + of.k};
  }
  Floats column(std::int64_t index) const {
    Floats result;
    for (std::int64_t k = 0; k < of.k; ++k) {
      result.push_back(b[index_of(of.b_is_transposed ? index * of.k + k : k * of.n + index)]);
    }
    return result;
  }
  double residual_at(std::int64_t row, std::int64_t column) const {
    if (of.residual == Case::own_residual)
      return residual[index_of(row * residual_stride + column)];
    if (of.residual == Case::result_is_residual) return before[index_of(row * c_stride + column)];
    return 0;
  }
  Floats result() { return {c.data(), c.data() + c.size()}; }
};

::testing::AssertionResult is_near(float actual, double expected, double tolerance) {
  if (std::fabs(actual - expected) <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << actual << " for " << expected << ", off by more than " << tolerance;
}

/// Checks a number against what the format's product is.
::testing::AssertionResult is_right(Computed& computed, std::int64_t row, std::int64_t column,
                                    Expected product) {
  const Case& of = computed.of;
  const double before_bias = product.value * of.scale;
  const double bias = of.has_bias ? computed.bias[index_of(column)] : 0;
  const double residual = computed.residual_at(row, column);
  const double sum = before_bias + bias;
  const double expected = of.residual_is_last ? activated(computed.epilogue, sum) + residual
                                              : activated(computed.epilogue, sum + residual);
  const double rounding = std::fabs(before_bias) + std::fabs(bias) + std::fabs(residual);
  const double of_activation = of.activation == Activation::none ? 0 : 1e-6;
  return is_near(computed.c[row * computed.c_stride + column], expected,
                 1.2 * (product.tolerance * std::fabs(of.scale) + 2e-7 * rounding + of_activation));
}

void check_gaps(Computed& computed) {
  EXPECT_TRUE(computed.c.is_intact());
  for (std::int64_t i = 0; i < computed.c.size(); ++i) {
    if (i % computed.c_stride < computed.of.n) continue;
    EXPECT_EQ(computed.c[i], computed.before[index_of(i)]) << "between rows";
  }
}

/// Multiplies, checks, and gives the result's memory.
Floats check(const Case& of) {
  SCOPED_TRACE(of.text());
  Computed computed(of);
  check_gaps(computed);
  const bool is_int8 = of.format == Format::int8;
  const bool is_product = of.activation == Activation::none && !of.has_bias &&
                          of.residual == Case::no_residual && of.scale == 1;
  std::vector<Floats> rows;
  std::vector<Quantised> quantised;
  for (std::int64_t row = 0; row < of.m; ++row) {
    rows.push_back(computed.row(row));
    if (is_int8) quantised.push_back(quantised_row(rows.back()));
  }
  for (std::int64_t column = 0; column < of.n; ++column) {
    const Floats numbers_of_column = computed.column(column);
    const Quantised weights = is_int8 ? quantised_column(numbers_of_column) : Quantised{};
    for (std::int64_t row = 0; row < of.m; ++row) {
      const Floats& numbers_of_row = rows[index_of(row)];
      const Expected product = is_int8 ? int8_product(quantised[index_of(row)], weights)
                                       : bfloat16_product(numbers_of_row, numbers_of_column);
      const auto answer = is_right(computed, row, column, product);
      if (!answer) {
        ADD_FAILURE() << answer.message() << " at " << row << ", " << column;
        return computed.result();
      }
      if (!is_int8 || !is_product) continue;
      const Expected of_floats = float_product(numbers_of_row, numbers_of_column,
                                               quantised[index_of(row)].scale, weights.scale);
      const float actual = computed.c[row * computed.c_stride + column];
      EXPECT_TRUE(is_near(actual, of_floats.value, of_floats.tolerance + 1e-6));
    }
  }
  return computed.result();
}

constexpr Format kFormats[] = {Format::bfloat16, Format::int8};

TEST(ComputeMatrixFormatsTest, SmallSizes) {
  for (const Format format : kFormats) {
    for (std::int64_t m : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14}) {
      for (std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 25, 31, 32, 33, 48, 65, 129}) {
        for (std::int64_t k : {0, 1, 2, 3, 4, 5, 8, 17, 33, 66}) {
          check({.format = format, .m = m, .k = k, .n = n});
        }
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, LongSums) {
  for (const Format format : kFormats) {
    for (std::int64_t k : {383, 384, 385, 769, 1537}) {
      for (std::int64_t m : {1, 2, 3, 6, 7, 13, 26}) {
        for (std::int64_t n : {1, 5, 12, 16, 20, 33}) {
          check({.format = format, .m = m, .k = k, .n = n, .residual = Case::result_is_residual});
        }
      }
    }
    check({.format = format, .m = 300, .k = 700, .n = 35, .c_gap = 2, .has_bias = true});
    check({.format = format, .m = 100, .k = 5000, .n = 18, .activation = Activation::relu});
    check({.format = format, .m = 1000, .k = 20, .n = 18, .activation = Activation::relu});
  }
}

TEST(ComputeMatrixFormatsTest, Epilogues) {
  for (const Format format : kFormats) {
    for (std::int64_t n : {1, 7, 16, 43}) {
      for (std::int64_t m : {1, 2, 9}) {
        for_each_epilogue(Case{.format = format, .m = m, .k = 13, .n = n, .a_gap = 3},
                          [](const Case& of) { check(of); });
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, ThreadsGiveTheSameBits) {
  constexpr std::int64_t kSizes[][3] = {{1, 50, 200}, {2, 400, 130}, {5, 30, 40},   {8, 512, 10},
                                        {8, 800, 96}, {64, 500, 80}, {100, 3, 8},   {77, 16, 1},
                                        {3, 9, 1},    {50, 64, 128}, {200, 17, 33}, {1, 3, 8},
                                        {1, 7, 1},    {3, 200, 64}};
  for (const Format format : kFormats) {
    for (const auto& [m, k, n] : kSizes) {
      Case of{.format = format, .m = m, .k = k, .n = n, .has_bias = true};
      of.residual = Case::result_is_residual;
      of.activation = Activation::gelu;
      const Floats alone = check(of);
      for (int threads = 2; threads <= 5; ++threads) {
        of.threads = threads;
        EXPECT_EQ(Computed(of).result(), alone) << of.text();
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, RowsGiveTheSameBitsWhereverTheyAre) {
  for (const Format format : kFormats) {
    for (std::int64_t n : {1, 10, 70}) {
      const Floats many = check({.format = format, .m = 40, .k = 900, .n = n});
      for (std::int64_t m : {1, 2, 3, 5}) {
        const Floats few = check({.format = format, .m = m, .k = 900, .n = n});
        for (std::size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i], many[i]);
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, TransposedMatricesArePacked) {
  for (const Format format : kFormats) {
    check({.format = format, .m = 9, .k = 33, .n = 41, .b_is_transposed = true});
    check({.format = format, .m = 9, .k = 33, .n = 1, .b_is_transposed = true});
  }
}

TEST(ComputeMatrixFormatsTest, PackedMatricesAreSmaller) {
  for (std::int64_t k : {64, 1000}) {
    for (std::int64_t n : {1, 64, 1000}) {
      const auto size = [&](Format format) {
        return static_cast<double>(level().packed_matrix_size(k, n, format));
      };
      EXPECT_LE(size(Format::bfloat16), 0.5 * size(Format::float32) + 16);
      EXPECT_LE(size(Format::int8),
                (0.25 + 2.0 / static_cast<double>(k)) * size(Format::float32) + 18);
    }
  }
}

/// The products of rows [m, k] and columns [k, n].
Floats product_of(const Floats& a, const Floats& b, std::int64_t k, Format format,
                  Epilogue epilogue = {}) {
  Product product;
  product.m = static_cast<std::int64_t>(a.size()) / k, product.k = k;
  product.n = static_cast<std::int64_t>(b.size()) / k;
  const Floats packed = packed_of({k, product.n, b.data(), product.n, 1}, format);
  Floats c(index_of(product.m * product.n));
  product.a = a.data(), product.a_stride = k;
  product.b = packed.data(), product.format = format;
  product.c = c.data(), product.c_stride = product.n;
  product.epilogue = epilogue;
  multiply(product, 1);
  return c;
}

TEST(ComputeMatrixFormatsTest, BFloat16RoundsToTheNearest) {
  const auto from_bits = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  const std::array<std::array<std::uint32_t, 2>, 10> cases = {
      {{0x3f808000, 0x3f800000},  // Halves.
       {0x3f818000, 0x3f820000},
       {0x3f807fff, 0x3f800000},
       {0x3f808001, 0x3f810000},
       {0xbf818000, 0xbf820000},
       {0x3fffffff, 0x40000000},
       {0x7f7fffff, 0x7f800000},  // To infinity.
       {0xff800000, 0xff800000},
       {0x00018000, 0x00020000},  // Subnormal.
       {0x00000000, 0x00000000}}};
  for (const std::size_t n : {1, 5, 40}) {
    for (const auto& [bits, rounded] : cases) {
      for (const float number : product_of({1}, Floats(n, from_bits(bits)), 1, Format::bfloat16)) {
        EXPECT_EQ(number, from_bits(rounded)) << std::hex << bits;
      }
    }
    for (const std::uint32_t nan : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffffffffu}) {
      for (const float number : product_of({1}, Floats(n, from_bits(nan)), 1, Format::bfloat16)) {
        EXPECT_TRUE(std::isnan(number));
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, WhatIsNoNumberGoesThrough) {
  const Floats a = {1, 2, kNan, 1, kInfinity, 0, -kInfinity, 2, 2, 2, 2, 2};  // Times 0.
  for (const Format format : kFormats) {
    for (const std::size_t n : {1, 5, 20, 64}) {
      for (auto activation :
           {Activation::none, Activation::relu, Activation::clamp, Activation::gelu}) {
        Epilogue epilogue;
        epilogue.activation = activation;
        epilogue.high = 1;
        const Floats c = product_of(a, Floats(3 * n, 0), 3, format, epilogue);
        for (std::size_t i = 0; i < 3 * n; ++i) EXPECT_TRUE(std::isnan(c[i])) << i << ": " << c[i];
        for (std::size_t i = 3 * n; i < c.size(); ++i) EXPECT_EQ(c[i], 0);
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, NotFiniteNumbersMakeTheirInt8RowsAndColumnsNan) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    for (const std::int64_t k : {1, 3, 16, 70}) {
      for (std::int64_t at = 0; at < k; ++at) {
        Floats a(index_of(3 * k), 1);
        a[index_of(k + at)] = bad;
        for (const std::size_t n : {1, 2, 17}) {
          const Floats c = product_of(a, Floats(index_of(k) * n, 1), k, Format::int8);
          for (std::size_t i = 0; i < c.size(); ++i) EXPECT_EQ(std::isnan(c[i]), i / n == 1);
          Floats b(index_of(k) * n, 1);
          b[index_of(at) * n] = bad;
          const Floats others = product_of(Floats(index_of(k), 1), b, k, Format::int8);
          for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(std::isnan(others[i]), i == 0);
        }
      }
    }
  }
}

TEST(ComputeMatrixFormatsTest, Int8OfZerosIsExact) {
  const Floats bias = numbers(40, 7);
  Epilogue epilogue;
  epilogue.bias = bias.data();
  for (const std::size_t n : {1, 3, 40}) {
    const Floats some = numbers(static_cast<std::int64_t>(6 * n), 8);
    for (const Floats& c : {product_of(Floats(12, 0), some, 6, Format::int8, epilogue),
                            product_of(Floats(12, -0.0f), some, 6, Format::int8, epilogue),
                            product_of(numbers(12, 9), Floats(6 * n, 0), 6, Format::int8, epilogue),
                            product_of(Floats(12, 0), Floats(6 * n, 0), 6, Format::int8, epilogue),
                            product_of(Floats(12, 1e-42f), some, 6, Format::int8, epilogue)}) {
      for (std::size_t i = 0; i < c.size(); ++i) EXPECT_EQ(c[i], bias[i % n]);
    }
  }
}

TEST(ComputeMatrixFormatsTest, Int8OfVeryLargeAndSmallNumbers) {
  const float largest = std::numeric_limits<float>::max();
  for (const std::size_t n : {1, 3, 40}) {
    for (const float number :
         product_of({largest, -largest}, Floats(2 * n, 1e-20f), 2, Format::int8)) {
      EXPECT_TRUE(is_near(number, 0, 1e-20 * largest / 60));
    }
    for (const float number : product_of({largest, 0}, Floats(2 * n, 1e-30f), 2, Format::int8)) {
      EXPECT_NEAR(number / (1e-30f * largest), 1, 1e-6);
    }
    for (const float number : product_of({1e-25f, 0}, Floats(2 * n, 1e25f), 2, Format::int8)) {
      EXPECT_NEAR(number, 1, 1e-6);
    }
  }
}

TEST(ComputeMatrixFormatsTest, Int8SumsOfAnyLengthDoNotOverflow) {
  for (const std::int64_t k : {65'535, 65'536, 65'537, 133'145, 300'001}) {
    for (const std::int64_t n : {1, 3, 20}) {
      const Floats ones(index_of(k * n), 1), negative(index_of(k * n), -1);
      for (const float value : {1.0f, -1.0f}) {  // Zero points of 0 and 127.
        const Floats a(index_of(2 * k), value);
        for (const float number : product_of(a, ones, k, Format::int8)) {
          EXPECT_NEAR(number / (value * static_cast<float>(k)), 1, 1e-6);
        }
        for (const float number : product_of(a, negative, k, Format::int8)) {
          EXPECT_NEAR(number / (value * static_cast<float>(k)), -1, 1e-6);
        }
      }
    }
  }
  check({.format = Format::int8, .m = 3, .k = 140'000, .n = 5});
  check({.format = Format::int8, .m = 2, .k = 70'001, .n = 1});
  check({.format = Format::int8, .m = 9, .k = 70'001, .n = 18});
}

}  // namespace
}  // namespace torchship::compute
