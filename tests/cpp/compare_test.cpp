#include "compare.h"

#include <limits>

#include <ATen/ops/complex.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace torchship {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

OutputCheck only(const Value& got, const Value& expected, const ValueSpec& spec = {}) {
  const std::vector<OutputCheck> outputs = compare(got, expected, spec);
  EXPECT_EQ(outputs.size(), 1u);
  return outputs.at(0);
}

bool passes(const Value& got, const Value& expected) { return only(got, expected).passed; }

at::Tensor doubles(std::initializer_list<double> values, at::ScalarType dtype = at::kFloat) {
  return at::tensor(std::vector<double>(values), at::kDouble).to(dtype);
}

TEST(Compare, GivesTheLargestErrors) {
  const OutputCheck output = only(doubles({1.5, 2, 0.25}), doubles({1, 4, 0}));
  EXPECT_EQ(output.name, "output");
  EXPECT_EQ(output.absolute, 2);
  EXPECT_EQ(output.relative, 0.5);  // The element that should be 0 has no relative error.
  EXPECT_FALSE(output.passed);
  EXPECT_EQ(output.problem, "");
  EXPECT_EQ(output.tolerance.absolute, 1e-5);
  EXPECT_EQ(output.tolerance.relative, 1e-4);
}

TEST(Compare, TakesTheToleranceOfTheDtype) {
  for (const at::ScalarType dtype :
       {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::ScalarType::Float8_e4m3fn}) {
    const double relative = default_tolerance(dtype).relative;
    const at::Tensor one = doubles({1, -1}, at::kDouble);
    EXPECT_TRUE(passes(one.to(dtype), one.to(dtype)));
    EXPECT_FALSE(passes(one.mul(1 + 4 * relative).to(dtype), one.to(dtype))) << dtype;
  }
  EXPECT_TRUE(passes(doubles({1.00005}), doubles({1})));
  EXPECT_FALSE(passes(doubles({1.0005}), doubles({1})));
}

TEST(Compare, TakesTheToleranceOfTheOutput) {
  ValueSpec loose;
  loose.tolerance = Tolerance{.absolute = 0.5, .relative = 0};
  EXPECT_TRUE(only(doubles({1.5}), doubles({1}), loose).passed);
  EXPECT_FALSE(only(doubles({1.6}), doubles({1}), loose).passed);
  ValueSpec dict;
  dict.members = {loose};
  dict.members->front().name = "a";
  EXPECT_TRUE(compare(Value::dict({{"a", doubles({1.5})}}), Value::dict({{"a", doubles({1})}}), dict)
                  .at(0)
                  .passed);
  // Integers are equal or not, whatever an archive says.
  EXPECT_FALSE(only(at::ones({1}, at::kLong), at::zeros({1}, at::kLong), loose).passed);
}

TEST(Compare, TakesTheNormOfTheWhole) {
  const Value got = doubles({3.3, 4, 0.001}), expected = doubles({3, 4, 0});
  const OutputCheck strict = only(got, expected);
  EXPECT_NEAR(strict.normwise, 0.3 / 5, 1e-5);
  EXPECT_FALSE(strict.passed);
  EXPECT_TRUE(compare(got, expected, {}, 0.07).at(0).passed);
  EXPECT_FALSE(compare(got, expected, {}, 0.05).at(0).passed);
  ValueSpec asked;
  asked.tolerance = Tolerance{.absolute = 0.1, .relative = 0};
  EXPECT_FALSE(compare(got, expected, asked, 0.07).at(0).passed) << "the author's tolerance holds";
  EXPECT_FALSE(compare(at::ones({1}, at::kLong), at::zeros({1}, at::kLong), {}, 2).at(0).passed);
  // Squares of these are beyond what numbers hold.
  EXPECT_NEAR(only(doubles({3e200}, at::kDouble), doubles({2e200}, at::kDouble)).normwise, 0.5, 1e-9);
  EXPECT_NEAR(only(doubles({3e-200}, at::kDouble), doubles({2e-200}, at::kDouble)).normwise, 0.5, 1e-9);
  EXPECT_EQ(only(doubles({1}), doubles({0})).normwise, kInfinity);
  EXPECT_EQ(only(doubles({0}), doubles({0})).normwise, 0);
}

TEST(Compare, KnowsWhatIsNotFinite) {
  const at::Tensor odd = doubles({kNan, kInfinity, -kInfinity});
  EXPECT_TRUE(passes(odd, odd));
  EXPECT_EQ(only(odd, odd).absolute, 0);
  const std::vector<std::pair<double, double>> cases = {{kInfinity, 1.0},       {1.0, kInfinity},
                                                        {kNan, 1.0},            {1.0, kNan},
                                                        {kInfinity, -kInfinity}, {kNan, kInfinity}};
  for (const auto& [got, expected] : cases) {
    const OutputCheck output = only(doubles({got}), doubles({expected}));
    EXPECT_FALSE(output.passed) << got << " for " << expected;
    EXPECT_EQ(output.absolute, kInfinity);
  }
}

TEST(Compare, ComparesIntegersExactly) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 60;
  const at::Tensor large = at::full({1}, kLarge, at::kLong);
  EXPECT_TRUE(passes(large, large));
  const OutputCheck output = only(large.add(1), large);
  EXPECT_FALSE(output.passed);
  EXPECT_EQ(output.absolute, 1);
  EXPECT_FALSE(passes(at::ones({1}, at::kBool), at::zeros({1}, at::kBool)));
  const at::Tensor low = at::full({1}, std::numeric_limits<std::int64_t>::min(), at::kLong);
  EXPECT_GT(only(large, low).absolute, 1e18);
  EXPECT_FALSE(passes(at::ones({1}, at::kByte), at::zeros({1}, at::kByte)));
}

TEST(Compare, ComparesComplexNumbers) {
  const at::Tensor number = at::complex(doubles({3}), doubles({4}));
  EXPECT_TRUE(passes(number, number));
  const OutputCheck output = only(at::complex(doubles({3}), doubles({5})), number);
  EXPECT_EQ(output.absolute, 1);
  EXPECT_EQ(output.relative, 0.2);
  EXPECT_FALSE(output.passed);
  EXPECT_TRUE(passes(std::complex<double>(1, 2), std::complex<double>(1, 2)));
  EXPECT_FALSE(passes(std::complex<double>(1, 2), std::complex<double>(1, 3)));
}

TEST(Compare, SaysWhichDtypeOrShapeIsWrong) {
  EXPECT_EQ(only(at::ones({2, 4}), at::ones({2, 3})).problem,
            "expected float32[2, 3], got float32[2, 4]");
  EXPECT_EQ(only(at::ones({1}, at::kDouble), at::ones({1})).problem,
            "expected float32[1], got float64[1]");
  EXPECT_EQ(only(1, at::ones({1})).problem, "expected float32[1], got int 1");
  EXPECT_FALSE(passes(1, at::ones({1})));
}

TEST(Compare, ComparesPlainValues) {
  EXPECT_TRUE(passes("a", "a"));
  EXPECT_EQ(only("b", "a").problem, "expected str 'a', got str 'b'");
  EXPECT_TRUE(passes(3, 3));
  EXPECT_EQ(only(4, 3).problem, "expected 3, got 4");
  EXPECT_FALSE(passes(true, false));
  EXPECT_FALSE(passes(3.0, 3));
  EXPECT_TRUE(passes(1.0 + 1e-8, 1.0));
  EXPECT_FALSE(passes(1.1, 1.0));
  EXPECT_TRUE(passes(kNan, kNan));
  EXPECT_TRUE(passes(Value(), Value()));
  EXPECT_FALSE(passes(Value(), 1));
}

TEST(Compare, WalksTrees) {
  const Value expected = Value::dict(
      {{"scores", at::ones({2})}, {"boxes", Value::tuple({at::ones({1}), at::zeros({1})})}});
  const Value got = Value::dict(
      {{"boxes", Value::tuple({at::ones({1}), at::ones({1})})}, {"scores", at::ones({2})}});
  const std::vector<OutputCheck> outputs = compare(got, expected, {});
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_EQ(outputs[0].name, "scores");
  EXPECT_TRUE(outputs[0].passed);
  EXPECT_EQ(outputs[2].name, "boxes.1");
  EXPECT_FALSE(outputs[2].passed);
}

TEST(Compare, SaysWhereTheStructureDiffers) {
  const std::vector<OutputCheck> outputs =
      compare(Value::dict({{"a", 1}, {"c", 2}}), Value::dict({{"a", 1}, {"b", 2}}), {});
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_TRUE(outputs[0].passed);
  EXPECT_EQ(outputs[1].name, "b");
  EXPECT_EQ(outputs[1].problem, "expected int 2, but it is missing");
  EXPECT_EQ(outputs[2].problem, "expected no such key, got int 2");
  EXPECT_EQ(only(Value::list({1}), Value::list({1, 2})).problem,
            "expected list of 2 items, got list of 1 item");
  EXPECT_FALSE(passes(Value::list({1}), Value::tuple({1})));
  EXPECT_TRUE(compare(Value::list({}), Value::list({}), {}).empty());
}

}  // namespace
}  // namespace torchship
