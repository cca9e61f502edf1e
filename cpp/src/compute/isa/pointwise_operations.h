#pragma once

// One instruction of a pointwise program over one tile.

#include <cstdint>

#include "compute/isa/math.h"
#include "compute/pointwise.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// The values of a register in the tile.
struct Operand {
  const float* values;  ///< As many in a row in memory,
  bool is_scalar;       ///< or one for all of them.
  bool is_padded;       ///< Behind them is memory to be read too, up to a whole number of vectors.
};

struct Instance {
  const Instruction& instruction;
  Operand a, b, c;
  float* to;
  bool is_padded;  ///< Behind the result too.
  std::int64_t count;
};

/// Where a loop takes its vectors from.
struct FromMemory {
  const float* values;
  bool is_padded;
  Vec at(std::int64_t i) const { return load(values + i); }
  Vec few_at(std::int64_t i, std::int64_t count) const {
    return is_padded ? load(values + i) : load_few(values + i, count);
  }
};
struct FromScalar {
  Vec value;
  Vec at(std::int64_t) const { return value; }
  Vec few_at(std::int64_t, std::int64_t) const { return value; }
};

template <typename Function, typename... Sources>
TORCHSHIP_INLINE void loop(float* to, bool is_padded, std::int64_t count, Function function,
                           Sources... sources) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, function(sources.at(i)...));
  if (i == count) return;
  const Vec last = function(sources.few_at(i, count - i)...);
  is_padded ? store(to + i, last) : store_few(to + i, last, count - i);
}

/// A function of loops that are to be compiled with all they call inlined.
#define TORCHSHIP_LOOPS [[gnu::noinline, gnu::flatten]] inline

/// Calls `use` with the operand's source: a loop is compiled for each of its kinds.
template <typename Use>
inline void with_source(Operand operand, Use use) {
  if (operand.is_scalar) {
    use(FromScalar{broadcast(*operand.values)});
  } else {
    use(FromMemory{operand.values, operand.is_padded});
  }
}

template <typename Function>
TORCHSHIP_LOOPS void unary(const Instance& it, Function function) {
  with_source(it.a, [&](auto a) { loop(it.to, it.is_padded, it.count, function, a); });
}
template <typename Function>
TORCHSHIP_LOOPS void binary(const Instance& it, Function function) {
  with_source(it.a, [&](auto a) {
    with_source(it.b, [&](auto b) { loop(it.to, it.is_padded, it.count, function, a, b); });
  });
}
template <typename Function>
TORCHSHIP_LOOPS void ternary(const Instance& it, Function function) {
  with_source(it.a, [&](auto a) {
    with_source(it.b, [&](auto b) {
      with_source(it.c, [&](auto c) { loop(it.to, it.is_padded, it.count, function, a, b, c); });
    });
  });
}

TORCHSHIP_INLINE Vec one_where(IntVec mask) { return select(mask, broadcast(1.0f), Vec{}); }

inline void power_of(const Instance& it, float exponent) {
  if (exponent == 2) return unary(it, [](Vec a) { return a * a; });
  if (exponent == 3) return unary(it, [](Vec a) { return a * a * a; });
  if (exponent == 0.5f) return unary(it, [](Vec a) { return square_root(a); });
  if (exponent == -0.5f) return unary(it, [](Vec a) { return 1.0f / square_root(a); });
  if (exponent == -1) return unary(it, [](Vec a) { return 1.0f / a; });
  unary(it, [exponent](Vec a) { return power(a, broadcast(exponent)); });
}

[[gnu::noinline]] inline void execute(const Instance& it) {
  const float first = it.instruction.first;
  const float second = it.instruction.second;
  const Vec low = broadcast(first);
  const Vec high = broadcast(second);
  switch (it.instruction.operation) {
    case Operation::add: return binary(it, [](Vec a, Vec b) { return a + b; });
    case Operation::subtract: return binary(it, [](Vec a, Vec b) { return a - b; });
    case Operation::multiply: return binary(it, [](Vec a, Vec b) { return a * b; });
    case Operation::divide: return binary(it, [](Vec a, Vec b) { return a / b; });
    case Operation::maximum: return binary(it, [](Vec a, Vec b) { return larger_of(a, b); });
    case Operation::minimum: return binary(it, [](Vec a, Vec b) { return smaller_of(a, b); });
    case Operation::power: return binary(it, [](Vec a, Vec b) { return power(a, b); });
    case Operation::multiply_add: return ternary(it, [](Vec a, Vec b, Vec c) { return a * b + c; });
    case Operation::affine: return unary(it, [first, second](Vec a) { return a * first + second; });
    case Operation::negate: return unary(it, [](Vec a) { return -a; });
    case Operation::absolute: return unary(it, [](Vec a) { return absolute(a); });
    case Operation::square: return unary(it, [](Vec a) { return a * a; });
    case Operation::square_root: return unary(it, [](Vec a) { return square_root(a); });
    case Operation::reciprocal: return unary(it, [](Vec a) { return 1.0f / a; });
    case Operation::reciprocal_square_root:
      return unary(it, [](Vec a) { return 1.0f / square_root(a); });
    case Operation::exponential: return unary(it, [](Vec a) { return exponential(a); });
    case Operation::logarithm: return unary(it, [](Vec a) { return logarithm(a); });
    case Operation::log1p: return unary(it, [](Vec a) { return log1p(a); });
    case Operation::expm1: return unary(it, [](Vec a) { return expm1(a); });
    case Operation::error_function: return unary(it, [](Vec a) { return error_function(a); });
    case Operation::sine: return unary(it, [](Vec a) { return sine(a); });
    case Operation::cosine: return unary(it, [](Vec a) { return cosine(a); });
    case Operation::floor: return unary(it, [](Vec a) { return floor(a); });
    case Operation::ceil: return unary(it, [](Vec a) { return ceil(a); });
    case Operation::round: return unary(it, [](Vec a) { return round(a); });
    case Operation::truncate: return unary(it, [](Vec a) { return truncate(a); });
    case Operation::sign:
      return unary(it, [](Vec a) { return one_where(a > 0.0f) - one_where(a < 0.0f); });
    case Operation::relu: return unary(it, [](Vec a) { return at_least(a, Vec{}); });
    case Operation::leaky_relu:
      return unary(it, [first](Vec a) { return select(a > 0.0f, a, a * first); });
    case Operation::elu:
      return unary(it, [first](Vec a) { return select(a > 0.0f, a, expm1(a) * first); });
    case Operation::gelu: return unary(it, [](Vec a) { return gelu(a); });
    case Operation::gelu_tanh: return unary(it, [](Vec a) { return gelu_tanh(a); });
    case Operation::silu: return unary(it, [](Vec a) { return silu(a); });
    case Operation::sigmoid: return unary(it, [](Vec a) { return sigmoid(a); });
    case Operation::tanh: return unary(it, [](Vec a) { return hyperbolic_tangent(a); });
    case Operation::hardswish: return unary(it, [](Vec a) { return hardswish(a); });
    case Operation::hardsigmoid: return unary(it, [](Vec a) { return hardsigmoid(a); });
    case Operation::hardtanh:
      return unary(it, [low, high](Vec a) { return at_most(at_least(a, low), high); });
    case Operation::softplus:
      return unary(it, [first, second](Vec a) { return softplus(a, first, second); });
    case Operation::mish: return unary(it, [](Vec a) { return mish(a); });
    case Operation::clamp_least: return unary(it, [low](Vec a) { return at_least(a, low); });
    case Operation::clamp_most: return unary(it, [low](Vec a) { return at_most(a, low); });
    case Operation::power_of: return power_of(it, first);
    case Operation::equal: return binary(it, [](Vec a, Vec b) { return one_where(a == b); });
    case Operation::not_equal: return binary(it, [](Vec a, Vec b) { return one_where(a != b); });
    case Operation::less: return binary(it, [](Vec a, Vec b) { return one_where(a < b); });
    case Operation::less_equal: return binary(it, [](Vec a, Vec b) { return one_where(a <= b); });
    case Operation::greater: return binary(it, [](Vec a, Vec b) { return one_where(a > b); });
    case Operation::greater_equal:
      return binary(it, [](Vec a, Vec b) { return one_where(a >= b); });
    case Operation::logical_and:
      return binary(it, [](Vec a, Vec b) { return one_where((a != 0.0f) & (b != 0.0f)); });
    case Operation::logical_or:
      return binary(it, [](Vec a, Vec b) { return one_where((a != 0.0f) | (b != 0.0f)); });
    case Operation::logical_not: return unary(it, [](Vec a) { return one_where(a == 0.0f); });
    case Operation::where:
      return ternary(it, [](Vec a, Vec b, Vec c) { return select(a != 0.0f, b, c); });
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
