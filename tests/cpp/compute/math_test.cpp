// The mathematical functions of compute/isa/math.h, through programs of one instruction.

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "compute/pointwise.h"
#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> evaluate(const Instruction& instruction, std::vector<float> values) {
  PointwiseProgram program;
  program.instructions = {instruction};
  program.inputs = 1;
  program.registers = 2;
  program.results = {1};
  PointwiseCall call;
  call.dimensions = 1;
  call.sizes[0] = static_cast<std::int64_t>(values.size());
  call.strides[0][0] = call.strides[1][0] = 1;
  std::vector<float> result(values.size());
  const float* const inputs[] = {values.data()};
  float* const results[] = {result.data()};
  level().pointwise(program, call, inputs, results, Share{},
                   scratch_memory(level().pointwise_scratch(program)));
  return result;
}

Instruction of(Operation operation, float first = 0, float second = 0) {
  return {operation, 1, 0, 0, 0, first, second};
}

/// Floats of all sizes within bounds, both signs, and evenly many between the bounds.
std::vector<float> arguments(float low, float high) {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 20011) {
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (value >= low && value <= high) values.push_back(value);
    if (-value >= low && -value <= high) values.push_back(-value);
  }
  for (int i = 0; i <= 100000; ++i) {
    values.push_back(static_cast<float>(low + (static_cast<double>(high) - low) * i / 100000));
  }
  return values;
}

struct Accuracy {
  double ulps = 4;      ///< Units in the last place,
  double absolute = 0;  ///< or, if that is more, times what is larger of 1 and the argument.
};

template <typename Exact>
void expect_accurate(const Instruction& instruction, float low, float high, Accuracy accuracy,
                     Exact exact) {
  const std::vector<float> values = arguments(low, high);
  const std::vector<float> results = evaluate(instruction, values);
  constexpr double kSmallest = 2e-38;  // Below, results may be zero.
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = exact(static_cast<double>(values[i]));
    if (static_cast<float>(expected) == results[i]) continue;
    if (std::isnan(expected) && std::isnan(results[i])) continue;
    const float size = std::abs(static_cast<float>(expected));
    const double unit = std::nextafter(size, kInfinity) - static_cast<double>(size);
    const double allowed = std::fmax(std::fmax(unit * accuracy.ulps, kSmallest),
                                     accuracy.absolute * std::fmax(1, std::abs(values[i])));
    ASSERT_LE(std::abs(results[i] - expected), allowed) << "at " << values[i] << ": " << results[i];
  }
}

/// The same bits but for those of NaN.
void expect_exactly(const Instruction& instruction, const std::vector<float>& values,
                    const std::vector<float>& expected) {
  const std::vector<float> results = evaluate(instruction, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(results[i])) << "at " << values[i] << ": " << results[i];
    } else {
      EXPECT_EQ(results[i], expected[i]) << "at " << values[i];
      EXPECT_EQ(std::signbit(results[i]), std::signbit(expected[i])) << "at " << values[i];
    }
  }
}

double gelu_of(double x) { return x / 2 * std::erfc(-x / std::sqrt(2)); }
double gelu_tanh_of(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double softplus_of(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

TEST(Math, ExponentialsAreAccurate) {
  expect_accurate(of(Operation::exponential), -200, 200, {3}, [](double x) { return std::exp(x); });
  expect_accurate(of(Operation::expm1), -200, 200, {3}, [](double x) { return std::expm1(x); });
  expect_accurate(of(Operation::elu, 0.75f), -30, 30, {3},
                  [](double x) { return x > 0 ? x : 0.75 * std::expm1(x); });
}

TEST(Math, LogarithmsAreAccurate) {
  expect_accurate(of(Operation::logarithm), 0, 3e38f, {2}, [](double x) { return std::log(x); });
  expect_accurate(of(Operation::log1p), -1, 3e38f, {3}, [](double x) { return std::log1p(x); });
}

TEST(Math, ActivationsAreAccurate) {
  expect_accurate(of(Operation::tanh), -30, 30, {6}, [](double x) { return std::tanh(x); });
  expect_accurate(of(Operation::sigmoid), -87, 87, {4},
                  [](double x) { return 1 / (1 + std::exp(-x)); });
  expect_accurate(of(Operation::silu), -80, 80, {4},
                  [](double x) { return x / (1 + std::exp(-x)); });
  expect_accurate(of(Operation::gelu), -20, 20, {4, 1e-7}, gelu_of);
  expect_accurate(of(Operation::gelu_tanh), -20, 20, {4, 1e-7}, gelu_tanh_of);
  expect_accurate(of(Operation::error_function), -10, 10, {4},
                  [](double x) { return std::erf(x); });
  expect_accurate(of(Operation::softplus, 1, 20), -80, 80, {4}, softplus_of);
  expect_accurate(of(Operation::mish), -80, 80, {6},
                  [](double x) { return x * std::tanh(softplus_of(x)); });
  expect_accurate(of(Operation::hardswish), -10, 10, {3},
                  [](double x) { return x * std::fmin(std::fmax(x + 3, 0), 6) / 6; });
  expect_accurate(of(Operation::hardsigmoid), -10, 10, {2, 1e-7},
                  [](double x) { return std::fmin(std::fmax(x + 3, 0), 6) / 6; });
}

TEST(Math, SmallGelusAreAccurateRelatively) {
  expect_accurate(of(Operation::gelu), -0.5f, 0.5f, {5}, gelu_of);
}

TEST(Math, AnglesAreAccurate) {
  expect_accurate(of(Operation::sine), -1e4f, 1e4f, {3}, [](double x) { return std::sin(x); });
  expect_accurate(of(Operation::cosine), -1e4f, 1e4f, {3}, [](double x) { return std::cos(x); });
  expect_accurate(of(Operation::sine), -1e30f, 1e30f, {3}, [](double x) { return std::sin(x); });
  expect_accurate(of(Operation::cosine), -1e30f, 1e30f, {3}, [](double x) { return std::cos(x); });
}

TEST(Math, RoundingIsExact) {
  std::fesetround(FE_TONEAREST);
  for (const float bound : {3.0f, 1e5f, 1e9f}) {
    expect_accurate(of(Operation::round), -bound, bound, {0},
                    [](double x) { return std::nearbyint(x); });
    expect_accurate(of(Operation::floor), -bound, bound, {0},
                    [](double x) { return std::floor(x); });
    expect_accurate(of(Operation::ceil), -bound, bound, {0}, [](double x) { return std::ceil(x); });
    expect_accurate(of(Operation::truncate), -bound, bound, {0},
                    [](double x) { return std::trunc(x); });
  }
  expect_exactly(of(Operation::round), {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -0.0f},
                 {0, 2, 2, -0.0f, -2, -0.0f});
  expect_exactly(of(Operation::ceil), {-0.5f, -0.0f, 8388609.0f}, {-0.0f, -0.0f, 8388609.0f});
  expect_exactly(of(Operation::floor), {-0.0f, 0.25f, -8388609.0f}, {-0.0f, 0, -8388609.0f});
}

TEST(Math, InfinitiesAndWhatIsNoNumber) {
  const std::vector<float> values = {kInfinity, -kInfinity, kNaN};
  expect_exactly(of(Operation::exponential), values, {kInfinity, 0, kNaN});
  expect_exactly(of(Operation::expm1), values, {kInfinity, -1, kNaN});
  expect_exactly(of(Operation::logarithm), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::log1p), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::tanh), values, {1, -1, kNaN});
  expect_exactly(of(Operation::sigmoid), values, {1, 0, kNaN});
  expect_exactly(of(Operation::error_function), values, {1, -1, kNaN});
  expect_exactly(of(Operation::gelu), {kInfinity, kNaN}, {kInfinity, kNaN});
  expect_exactly(of(Operation::gelu_tanh), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::silu), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::mish), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::softplus, 1, 20), values, {kInfinity, 0, kNaN});
  expect_exactly(of(Operation::hardswish), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::hardsigmoid), values, {1, 0, kNaN});
  expect_exactly(of(Operation::relu), values, {kInfinity, 0, kNaN});
  expect_exactly(of(Operation::hardtanh, -2, 3), values, {3, -2, kNaN});
  expect_exactly(of(Operation::clamp_least, -2), values, {kInfinity, -2, kNaN});
  expect_exactly(of(Operation::clamp_most, 3), values, {3, -kInfinity, kNaN});
  expect_exactly(of(Operation::elu, 2), values, {kInfinity, -2, kNaN});
  expect_exactly(of(Operation::sine), values, {kNaN, kNaN, kNaN});
  expect_exactly(of(Operation::cosine), values, {kNaN, kNaN, kNaN});
  expect_exactly(of(Operation::floor), values, {kInfinity, -kInfinity, kNaN});
  expect_exactly(of(Operation::round), values, {kInfinity, -kInfinity, kNaN});
  expect_exactly(of(Operation::square_root), values, {kInfinity, kNaN, kNaN});
  expect_exactly(of(Operation::sign), values, {1, -1, 0});
}

TEST(Math, EndsOfTheRange) {
  constexpr float kTiny = 1e-40f;  // Not normal.
  expect_exactly(of(Operation::logarithm), {0, -0.0f, -1, 1}, {-kInfinity, -kInfinity, kNaN, 0});
  expect_accurate(of(Operation::logarithm), kTiny, kTiny, {2},
                  [](double x) { return std::log(x); });
  expect_exactly(of(Operation::log1p), {-1, -2, 0, -0.0f, kTiny},
                 {-kInfinity, kNaN, 0, -0.0f, kTiny});
  expect_exactly(of(Operation::exponential), {0, 89, 1e30f, -104, -1e30f},
                 {1, kInfinity, kInfinity, 0, 0});
  expect_accurate(of(Operation::exponential), 88.3f, 88.72f, {3},
                  [](double x) { return std::exp(x); });
  expect_exactly(of(Operation::expm1), {0, -0.0f, 89, -104}, {0, -0.0f, kInfinity, -1});
  expect_exactly(of(Operation::sigmoid), {200, -200, 0}, {1, 0, 0.5f});
  expect_exactly(of(Operation::tanh), {100, -100, 0, -0.0f}, {1, -1, 0, -0.0f});
  expect_exactly(of(Operation::gelu), {1e30f, 0}, {1e30f, 0});
  expect_exactly(of(Operation::sine), {0, -0.0f}, {0, -0.0f});
}

TEST(Math, TangentsNeverExceedOne) {
  for (const float result : evaluate(of(Operation::tanh), arguments(-20, 20)))
    ASSERT_LE(std::abs(result), 1);
  for (const float result : evaluate(of(Operation::error_function), arguments(-20, 20)))
    ASSERT_LE(std::abs(result), 1);
}

}  // namespace
}  // namespace torchship::compute
