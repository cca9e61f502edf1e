#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "compute/pointwise.h"
#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

using Sizes = std::vector<std::int64_t>;

PointwiseCall call_of(const Sizes& sizes, const std::vector<Sizes>& strides) {
  PointwiseCall call;
  call.dimensions = static_cast<int>(sizes.size());
  for (std::size_t dimension = 0; dimension < sizes.size(); ++dimension) {
    call.sizes[dimension] = sizes[dimension];
    for (std::size_t operand = 0; operand < strides.size(); ++operand) {
      call.strides[operand][dimension] = strides[operand][dimension];
    }
  }
  return call;
}

Sizes dense(const Sizes& sizes) {
  Sizes strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0; stride *= sizes[i]) strides[i] = stride;
  return strides;
}

std::int64_t extent(const Sizes& sizes, const Sizes& strides) {
  std::int64_t last = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return 0;
    last += (sizes[i] - 1) * strides[i];
  }
  return last + 1;
}

/// Calls `visit` with the offset of each element in each operand.
void for_each_element(const Sizes& sizes, const std::vector<Sizes>& strides,
                      const std::function<void(const Sizes&)>& visit) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  for (std::int64_t index = 0; index < count; ++index) {
    Sizes offsets(strides.size(), 0);
    std::int64_t rest = index;
    for (std::size_t i = sizes.size(); i-- > 0; rest /= sizes[i]) {
      for (std::size_t operand = 0; operand < strides.size(); ++operand) {
        offsets[operand] += rest % sizes[i] * strides[operand][i];
      }
    }
    visit(offsets);
  }
}

void run(const PointwiseProgram& program, const PointwiseCall& call,
         const std::vector<const float*>& inputs, const std::vector<float*>& results,
         int threads = 1) {
  for_each_share(threads, [&](Share share) {
    level().pointwise(program, call, inputs.data(), results.data(), share,
                     scratch_memory(level().pointwise_scratch(program)));
  });
}

PointwiseProgram program_of(int inputs, int registers, std::vector<Instruction> instructions,
                            std::vector<std::uint8_t> results, std::vector<float> constants = {}) {
  PointwiseProgram program;
  program.instructions = std::move(instructions);
  program.constants = std::move(constants);
  program.inputs = inputs;
  program.registers = registers;
  program.results = std::move(results);
  return program;
}

/// a * b + c with all inputs of any strides, for 1 to 5 threads, collapsed and not.
void check_strides(const Sizes& sizes, const std::vector<Sizes>& strides) {
  const PointwiseProgram program =
      program_of(3, 5, {{Operation::multiply_add, 3, 0, 1, 2}, {Operation::add, 4, 3, 1}}, {4});
  std::vector<Guarded> operands;
  for (std::size_t operand = 0; operand < 4; ++operand) {
    operands.emplace_back(extent(sizes, strides[operand]));
    operands.back().randomise(static_cast<unsigned>(operand) + 1);
  }
  for (const bool collapses : {false, true}) {
    PointwiseCall call = call_of(sizes, strides);
    if (collapses) collapse(call, 4);
    for (int threads = 1; threads <= 5; ++threads) {
      Guarded& result = operands[3];
      for (std::int64_t i = 0; i < result.size(); ++i) result[i] = -77;
      std::vector<bool> expected_writes(static_cast<std::size_t>(result.size()), false);
      run(program, call, {operands[0].data(), operands[1].data(), operands[2].data()},
          {result.data()}, threads);
      for_each_element(sizes, strides, [&](const Sizes& at) {
        const double a = operands[0][at[0]], b = operands[1][at[1]], c = operands[2][at[2]];
        ASSERT_TRUE(is_close(result[at[3]], a * b + c + b, 1e-6));
        expected_writes[static_cast<std::size_t>(at[3])] = true;
      });
      for (std::int64_t i = 0; i < result.size(); ++i) {
        if (expected_writes[static_cast<std::size_t>(i)]) continue;
        ASSERT_EQ(result[i], -77);
      }
      for (const Guarded& operand : operands) ASSERT_TRUE(operand.is_intact());
    }
  }
}

TEST(Pointwise, DenseOperandsOfAllSizes) {
  for (const std::int64_t size :
       {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 100, 511, 512, 513, 1000, 5000}) {
    check_strides({size}, {{1}, {1}, {1}, {1}});
  }
  check_strides({}, {{}, {}, {}, {}});
}

TEST(Pointwise, BroadcastOperands) {
  for (const std::int64_t columns : {1, 3, 8, 13, 72, 100, 300, 600, 1100}) {
    for (const std::int64_t rows : {1, 2, 5, 70}) {
      const Sizes sizes = {rows, columns};
      check_strides(sizes, {dense(sizes), {0, 1}, {0, 0}, dense(sizes)});
      check_strides(sizes, {{0, 0}, {1, 0}, {0, 1}, dense(sizes)});
      check_strides(sizes, {{0, 0}, {0, 0}, {0, 0}, dense(sizes)});
    }
  }
}

TEST(Pointwise, StridedOperandsAndResults) {
  for (const std::int64_t columns : {1, 4, 11, 40, 520}) {
    const Sizes sizes = {6, columns};
    check_strides(sizes, {{1, 6}, {columns + 3, 1}, {2 * columns, 2}, dense(sizes)});
    check_strides(sizes, {dense(sizes), dense(sizes), {0, 2}, {1, 6}});
    check_strides(sizes, {{0, 1}, {1, 0}, {1, 6}, {columns + 5, 1}});
    check_strides(sizes, {{0, 1}, {1, 0}, {1, 6}, {2 * columns, 2}});
  }
}

TEST(Pointwise, ManyDimensions) {
  const Sizes sizes = {2, 3, 4, 1, 5, 3};
  const Sizes channels_last = {180, 1, 45, 45, 9, 3};
  check_strides(sizes, {dense(sizes), channels_last, {0, 1, 0, 0, 0, 0}, dense(sizes)});
  check_strides(sizes, {dense(sizes), channels_last, {0, 1, 0, 0, 0, 0}, channels_last});
  check_strides({3, 0, 4}, {{0, 0, 1}, {4, 4, 1}, {1, 1, 1}, {4, 4, 1}});
}

TEST(Pointwise, CollapseMerges) {
  PointwiseCall call = call_of({4, 1, 5, 6}, {{30, 30, 6, 1}, {30, 30, 6, 1}});
  collapse(call, 2);
  EXPECT_EQ(call.dimensions, 1);
  EXPECT_EQ(call.sizes[0], 120);
  EXPECT_EQ(call.strides[1][0], 1);
  call = call_of({2, 8, 5, 6}, {{240, 1, 48, 8}, {0, 1, 0, 0}, {240, 1, 48, 8}});
  collapse(call, 3);
  EXPECT_EQ(call.dimensions, 2);
  EXPECT_EQ(call.sizes[0], 60);
  EXPECT_EQ(call.sizes[1], 8);
  EXPECT_EQ(call.strides[1][0], 0);
}

TEST(Pointwise, TheChainOfTheBenchmark) {
  const PointwiseProgram program = program_of(1, 3,
                                              {{Operation::affine, 1, 0, 0, 0, 0.5f, 1},
                                               {Operation::sigmoid, 1, 1},
                                               {Operation::subtract, 2, 1, 0},
                                               {Operation::tanh, 2, 2},
                                               {Operation::multiply_add, 2, 2, 1, 0},
                                               {Operation::relu, 2, 2},
                                               {Operation::affine, 2, 2, 0, 0, 1.5f, 0}},
                                              {2});
  for (const std::int64_t size : {1, 5, 64, 1023, 4096}) {
    Guarded x(size), result(size);
    x.randomise(3);
    for (int threads = 1; threads <= 5; ++threads) {
      run(program, call_of({size}, {{1}, {1}}), {x.data()}, {result.data()}, threads);
      for (std::int64_t i = 0; i < size; ++i) {
        const double y = 1 / (1 + std::exp(-(x[i] * 0.5 + 1)));
        ASSERT_TRUE(is_close(result[i], std::fmax(std::tanh(y - x[i]) * y + x[i], 0) * 1.5, 1e-6));
      }
      ASSERT_TRUE(result.is_intact());
    }
  }
}

TEST(Pointwise, ResultsInTheMemoryOfInputs) {
  // The input is read again after the instruction that writes the first result.
  const PointwiseProgram program =
      program_of(2, 4, {{Operation::add, 2, 0, 1}, {Operation::multiply, 3, 2, 0}}, {2, 3});
  Guarded x(777), y(777), a(777), b(777);
  x.randomise(1), y.randomise(2);
  for (std::int64_t i = 0; i < 777; ++i) a[i] = x[i], b[i] = y[i];
  run(program, call_of({777}, {{1}, {1}, {1}, {1}}), {a.data(), b.data()}, {a.data(), b.data()}, 3);
  for (std::int64_t i = 0; i < 777; ++i) {
    ASSERT_EQ(a[i], x[i] + y[i]);
    ASSERT_EQ(b[i], (x[i] + y[i]) * x[i]);
  }
}

TEST(Pointwise, InputsAndConstantsAsResults) {
  const PointwiseProgram program = program_of(
      2, 4, {{Operation::add, 1, 0, 2}, {Operation::add, 2, 1, 1}}, {0, 3, 1, 1, 2}, {10, 20});
  Guarded x(700), small(7), kept(700), constant(700), first(700), again(700), second(700);
  x.randomise(1), small.randomise(2);
  const Sizes sizes = {100, 7};
  run(program, call_of(sizes, {{7, 1}, {0, 1}, {7, 1}, {7, 1}, {7, 1}, {1, 100}, {7, 1}}),
      {x.data(), small.data()},
      {kept.data(), constant.data(), first.data(), again.data(), second.data()}, 2);
  for (std::int64_t i = 0; i < 700; ++i) {
    ASSERT_EQ(kept[i], x[i]);
    ASSERT_EQ(constant[i], 20);
    ASSERT_EQ(first[i], x[i] + 10);
    ASSERT_EQ(again[i / 7 + i % 7 * 100], x[i] + 10);
    ASSERT_EQ(second[i], (x[i] + 10) * 2);
  }
}

struct BinaryCase {
  Operation operation;
  std::function<double(double, double)> exact;
};

TEST(Pointwise, OperationsOfTwo) {
  const auto nan_or = [](double a, double b, double value) {
    return std::isnan(a) || std::isnan(b) ? std::nan("") : value;
  };
  const std::vector<BinaryCase> cases = {
      {Operation::add, [](double a, double b) { return a + b; }},
      {Operation::subtract, [](double a, double b) { return a - b; }},
      {Operation::multiply, [](double a, double b) { return a * b; }},
      {Operation::divide, [](double a, double b) { return a / b; }},
      {Operation::power, [](double a, double b) { return std::pow(a, b); }},
      {Operation::maximum, [&](double a, double b) { return nan_or(a, b, a > b ? a : b); }},
      {Operation::minimum, [&](double a, double b) { return nan_or(a, b, a < b ? a : b); }},
      {Operation::equal, [](double a, double b) { return a == b; }},
      {Operation::not_equal, [](double a, double b) { return a != b; }},
      {Operation::less, [](double a, double b) { return a < b; }},
      {Operation::less_equal, [](double a, double b) { return a <= b; }},
      {Operation::greater, [](double a, double b) { return a > b; }},
      {Operation::greater_equal, [](double a, double b) { return a >= b; }},
      {Operation::logical_and, [](double a, double b) { return a != 0 && b != 0; }},
      {Operation::logical_or, [](double a, double b) { return a != 0 || b != 0; }},
  };
  const std::vector<float> values = {0, -0.0f, 1, -1, 2.5f, -3, INFINITY, -INFINITY, NAN};
  const auto count = static_cast<std::int64_t>(values.size());
  for (const BinaryCase& each : cases) {
    const PointwiseProgram program = program_of(2, 3, {{each.operation, 2, 0, 1}}, {2});
    // Rows and columns of the same values: in memory, and each as a scalar.
    Guarded result(count * count);
    run(program, call_of({count, count}, {{1, 0}, {0, 1}, {count, 1}}),
        {values.data(), values.data()}, {result.data()});
    for (std::int64_t i = 0; i < count; ++i) {
      Guarded left(count), right(count);
      run(program, call_of({count}, {{0}, {1}, {1}}),
          {&values[static_cast<std::size_t>(i)], values.data()}, {left.data()});
      run(program, call_of({count}, {{1}, {0}, {1}}),
          {values.data(), &values[static_cast<std::size_t>(i)]}, {right.data()});
      for (std::int64_t j = 0; j < count; ++j) {
        const double a = values[static_cast<std::size_t>(i)],
                     b = values[static_cast<std::size_t>(j)];
        const auto operation = static_cast<int>(each.operation);
        EXPECT_TRUE(is_close(result[i * count + j], each.exact(a, b), 1e-6))
            << operation << " of " << a << ", " << b;
        EXPECT_TRUE(is_close(left[j], each.exact(a, b), 1e-6))
            << operation << " of " << a << ", " << b;
        EXPECT_TRUE(is_close(right[j], each.exact(b, a), 1e-6))
            << operation << " of " << b << ", " << a;
      }
    }
  }
}

struct UnaryCase {
  Instruction instruction;
  std::function<double(double)> exact;
};

TEST(Pointwise, OperationsOfOne) {
  const std::vector<UnaryCase> cases = {
      {{Operation::affine, 1, 0, 0, 0, 2, 3}, [](double x) { return x * 2 + 3; }},
      {{Operation::negate, 1, 0}, [](double x) { return -x; }},
      {{Operation::absolute, 1, 0}, [](double x) { return std::abs(x); }},
      {{Operation::square, 1, 0}, [](double x) { return x * x; }},
      {{Operation::square_root, 1, 0}, [](double x) { return std::sqrt(x); }},
      {{Operation::reciprocal, 1, 0}, [](double x) { return 1 / x; }},
      {{Operation::reciprocal_square_root, 1, 0}, [](double x) { return 1 / std::sqrt(x); }},
      {{Operation::sign, 1, 0}, [](double x) { return (x > 0) - (x < 0); }},
      {{Operation::relu, 1, 0}, [](double x) { return x < 0 ? 0 : x; }},
      {{Operation::leaky_relu, 1, 0, 0, 0, 0.1f}, [](double x) { return x > 0 ? x : x * 0.1f; }},
      {{Operation::hardtanh, 1, 0, 0, 0, -1, 2},
       [](double x) { return x < -1  ? -1
                             : x > 2 ? 2
                                     : x; }},
      {{Operation::clamp_least, 1, 0, 0, 0, -1}, [](double x) { return x < -1 ? -1 : x; }},
      {{Operation::clamp_most, 1, 0, 0, 0, 2}, [](double x) { return x > 2 ? 2 : x; }},
      {{Operation::logical_not, 1, 0}, [](double x) { return x == 0; }},
      {{Operation::softplus, 1, 0, 0, 0, 2, 4},
       [](double x) { return x * 2 > 4 ? x : std::log1p(std::exp(2 * x)) / 2; }},
      {{Operation::power_of, 1, 0, 0, 0, 2}, [](double x) { return x * x; }},
      {{Operation::power_of, 1, 0, 0, 0, 3}, [](double x) { return x * x * x; }},
      {{Operation::power_of, 1, 0, 0, 0, -1}, [](double x) { return 1 / x; }},
      {{Operation::power_of, 1, 0, 0, 0, 0.5f}, [](double x) { return std::sqrt(x); }},
      {{Operation::power_of, 1, 0, 0, 0, -0.5f}, [](double x) { return 1 / std::sqrt(x); }},
      {{Operation::power_of, 1, 0, 0, 0, 2.5f}, [](double x) { return std::pow(x, 2.5); }},
      {{Operation::power_of, 1, 0, 0, 0, 0}, [](double) { return 1; }},
  };
  std::vector<float> values = {1, -1, 2.5f, -3, INFINITY, NAN, 0.125f, -7.5f, 1e10f, 3};
  const auto count = static_cast<std::int64_t>(values.size());
  for (const UnaryCase& each : cases) {
    const PointwiseProgram program = program_of(1, 2, {each.instruction}, {1});
    Guarded result(count);
    run(program, call_of({count}, {{1}, {1}}), {values.data()}, {result.data()});
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = values[static_cast<std::size_t>(i)];
      EXPECT_TRUE(is_close(result[i], each.exact(value), 1e-6))
          << static_cast<int>(each.instruction.operation) << " of " << value;
      Guarded filled(11);  // Of a scalar.
      run(program, call_of({11}, {{0}, {1}}), {&value}, {filled.data()});
      for (std::int64_t j = 0; j < 11; ++j)
        EXPECT_TRUE(is_close(filled[j], each.exact(value), 1e-6));
      EXPECT_TRUE(filled.is_intact());
    }
  }
}

TEST(Pointwise, WhereTakesEitherSide) {
  const PointwiseProgram program = program_of(2, 4, {{Operation::where, 3, 0, 1, 2}}, {3}, {-9});
  const std::vector<float> condition = {0, 1, -0.0f, NAN, -2, 0, 3, 0, 1};
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, NAN, INFINITY};
  Guarded result(9);
  run(program, call_of({9}, {{1}, {1}, {1}}), {condition.data(), values.data()}, {result.data()});
  for (std::int64_t i = 0; i < 9; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_TRUE(is_close(result[i], condition[at] != 0 ? values[at] : -9, 0));
  }
}

TEST(Pointwise, ThreadsDoNotChangeResults) {
  const PointwiseProgram program =
      program_of(1, 2, {{Operation::exponential, 1, 0}, {Operation::gelu, 1, 1}}, {1});
  Guarded x(3001), one(3001), many(3001);
  x.randomise(5);
  run(program, call_of({3001}, {{1}, {1}}), {x.data()}, {one.data()});
  run(program, call_of({3001}, {{1}, {1}}), {x.data()}, {many.data()}, 5);
  for (std::int64_t i = 0; i < 3001; ++i) ASSERT_EQ(one[i], many[i]);
}

}  // namespace
}  // namespace torchship::compute
