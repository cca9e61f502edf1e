#pragma once

// Mathematical functions of Vec, without branches unless said: within some 2 units in the last
// place, right at infinities and for what is no number; results below the smallest normal number
// may be zero.

#include "compute/isa/vector.h"

/// Called in a loop, a function's constants are read once.
#define TORCHSHIP_INLINE [[gnu::always_inline]] inline

namespace torchship::compute::TORCHSHIP_LEVEL {

TORCHSHIP_INLINE IntVec bits_of(Vec value) { return reinterpret_cast<IntVec>(value); }
TORCHSHIP_INLINE Vec from_bits(IntVec bits) { return reinterpret_cast<Vec>(bits); }

inline constexpr std::int32_t kSignBit = INT32_MIN;
inline constexpr float kInfinity = __builtin_inff();
inline constexpr float kNotANumber = __builtin_nanf("");

TORCHSHIP_INLINE Vec absolute(Vec x) { return from_bits(bits_of(x) & ~kSignBit); }
TORCHSHIP_INLINE Vec with_sign_of(Vec magnitude, Vec sign) {
  return from_bits((bits_of(magnitude) & ~kSignBit) | (bits_of(sign) & kSignBit));
}

/// What is no number in either stays.
TORCHSHIP_INLINE Vec larger_of(Vec a, Vec b) { return select(a != a, a, at_least(b, a)); }
TORCHSHIP_INLINE Vec smaller_of(Vec a, Vec b) { return select(a != a, a, at_most(b, a)); }

/// The polynomial whose coefficients are given from the lowest power on.
TORCHSHIP_INLINE Vec polynomial(Vec, float last) { return broadcast(last); }
template <typename... Floats>
TORCHSHIP_INLINE Vec polynomial(Vec x, float first, Floats... others) {
  return polynomial(x, others...) * x + first;
}

TORCHSHIP_INLINE Vec square_root(Vec x) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(x);
#else
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
#endif
}

/// To the nearest whole number, halves to the even one.
TORCHSHIP_INLINE Vec round(Vec x) {
  constexpr float kNoFraction = 0x1p23f;  // From here on all floats are whole.
  const Vec size = absolute(x);
  return select(size < kNoFraction, with_sign_of(size + kNoFraction - kNoFraction, x), x);
}
TORCHSHIP_INLINE Vec floor(Vec x) {
  const Vec nearest = round(x);
  return with_sign_of(select(nearest > x, nearest - 1.0f, nearest), x);
}
TORCHSHIP_INLINE Vec ceil(Vec x) {
  const Vec nearest = round(x);
  return with_sign_of(select(nearest < x, nearest + 1.0f, nearest), x);
}
TORCHSHIP_INLINE Vec truncate(Vec x) { return with_sign_of(floor(absolute(x)), x); }

/// e^x = 2 * half_power * e^rest, half_power a power of two (so that the largest results need no
/// infinite one).
struct ReducedExponent {
  Vec half_power, rest;
};
/// For x between the bounds below.
TORCHSHIP_INLINE ReducedExponent reduce_bounded(Vec x) {
  // Adding it leaves a whole number in the lowest bits, here biased as a power's exponent is.
  constexpr float kToWhole = 0x1.8p23f + 126;
  const Vec shifted = x * 1.44269504f + kToWhole;
  const Vec whole = shifted - kToWhole;
  const Vec rest =
      (x - whole * 0.693145752f) - whole * 1.42860677e-6f;  // The first product is exact.
  return {from_bits(bits_of(shifted) << 23), rest};
}
TORCHSHIP_INLINE ReducedExponent reduce_exponent(Vec x) {
  // Beyond these bounds e^x is infinity, or below the normal numbers and half_power zero.
  return reduce_bounded(at_most(at_least(x, broadcast(-87.5f)), broadcast(88.9f)));
}

TORCHSHIP_INLINE Vec exponential_of(ReducedExponent x) {
  return x.half_power * polynomial(x.rest, 2.0f, 1.999999412f, 0.999982968f, 0.33335277f,
                                   0.0837961816f, 0.0165804087f);
}
TORCHSHIP_INLINE Vec exponential(Vec x) { return exponential_of(reduce_exponent(x)); }

TORCHSHIP_INLINE Vec expm1(Vec x) {
  const auto [half_power, rest] = reduce_exponent(x);
  const Vec tail =
      polynomial(rest, 0.499999982f, 0.166665435f, 0.0416672011f, 0.00836653667f, 0.00138824585f);
  const Vec less_one = rest * rest * tail + rest;
  return select(x == 0.0f, x, 2.0f * (half_power * less_one + (half_power - 0.5f)));
}

TORCHSHIP_INLINE Vec logarithm(Vec x) {
  // Numbers that are not normal are made so.
  const IntVec tiny = x < 0x1p-126f;
  const Vec normal = absolute(select(tiny, x * 0x1p23f, x));
  // x = 2^exponent * (1 + part), 1 + part between the roots of 1/2 and 2.
  constexpr std::int32_t kRootOfHalf = 0x3f3504f3;
  const IntVec exponent = (bits_of(normal) - kRootOfHalf) >> 23;
  const Vec part = from_bits(bits_of(normal) - (exponent << 23)) - 1.0f;
  const Vec power = __builtin_convertvector(exponent, Vec) - select(tiny, broadcast(23.0f), Vec{});
  const Vec tail = polynomial(part, 0.333339115f, -0.250013353f, 0.199630268f, -0.165776313f,
                              0.149152706f, -0.142672203f, 0.0869842043f);
  const Vec square = part * part;
  const Vec small = square * part * tail + power * 1.42860677e-6f;
  const Vec result = power * 0.693145752f + (part + (small - 0.5f * square));
  const Vec special =
      select(x == 0.0f, broadcast(-kInfinity), select(x > 0.0f, x, broadcast(kNotANumber)));
  return select((x > 0.0f) & (x < kInfinity), result, special);
}

TORCHSHIP_INLINE Vec log1p(Vec x) {
  // What 1 + x loses by rounding is added to its logarithm.
  const Vec sum = 1.0f + x;
  const Vec lost = (x - (sum - 1.0f)) / sum;
  const Vec result = logarithm(sum) + select((sum > 0.0f) & (sum < kInfinity), lost, Vec{});
  return select(x == 0.0f, x, result);
}

TORCHSHIP_INLINE Vec hyperbolic_tangent(Vec x) {
  // From 9 on it is 1: there the quotient is larger.
  const Vec square = at_most(x * x, broadcast(81.0f));
  const Vec above = polynomial(square, 0.999999979f, 0.133810064f, 0.00349556497f, 2.06086902e-05f,
                               1.33541009e-08f);
  const Vec below =
      polynomial(square, 1.0f, 0.46714322f, 0.0258768949f, 0.000328559645f, 7.77633229e-07f);
  return at_most(at_least(x * above / below, broadcast(-1.0f)), broadcast(1.0f));
}

TORCHSHIP_INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + exponential(-x)); }

inline constexpr float kNoTail = 13.2f;
/// Half of 1 - erf(x / sqrt(2)), the normal distribution beyond x: x from 0 to 15, where it is
/// zero.
TORCHSHIP_INLINE Vec normal_tail(Vec x) {
  const Vec above = polynomial(x, 0.499999975f, 0.336256207f, 0.105090405f, 0.0137197784f);
  const Vec below = polynomial(x, 1.0f, 1.47039401f, 0.883414224f, 0.262955031f, 0.0344050287f);
  return exponential_of(reduce_bounded(-0.5f * x * x)) * above / below;
}

TORCHSHIP_INLINE Vec error_function(Vec x) {
  const Vec size = absolute(x);
  const Vec square = x * x;
  const Vec of_small = x * polynomial(square, 1.12837917f, -0.376126253f, 0.11283488f,
                                      -0.0268411369f, 0.00512968759f, -0.000687476261f);
  const Vec of_large =
      with_sign_of(1.0f - 2.0f * normal_tail(at_most(size * 1.41421356f, broadcast(kNoTail))), x);
  return select(size < 0.7f, of_small, of_large);
}

TORCHSHIP_INLINE Vec gelu(Vec x) {
  const Vec size = at_most(absolute(x), broadcast(kNoTail));
  return at_least(x, Vec{}) - size * normal_tail(size);
}
/// (1 + tanh(u)) / 2 is sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 x^3).
TORCHSHIP_INLINE Vec gelu_tanh(Vec x) {
  return x / (1.0f + exponential(x * (-1.59576912f - 0.0713548163f * x * x)));
}
TORCHSHIP_INLINE Vec silu(Vec x) { return x / (1.0f + exponential(-x)); }

TORCHSHIP_INLINE Vec relu6(Vec x) { return at_most(at_least(x, Vec{}), broadcast(6.0f)); }
TORCHSHIP_INLINE Vec hardsigmoid(Vec x) { return relu6(x + 3.0f) * (1.0f / 6); }
TORCHSHIP_INLINE Vec hardswish(Vec x) { return x * relu6(x + 3.0f) * (1.0f / 6); }

/// log(1 + e^(beta x)) / beta, and x itself where beta x is above the threshold.
TORCHSHIP_INLINE Vec softplus(Vec x, float beta, float threshold) {
  const Vec scaled = x * beta;
  return select(scaled > threshold, x, log1p(exponential(scaled)) * (1.0f / beta));
}

/// x tanh(log(1 + e^x)), where the hyperbolic tangent is a fraction of e^x.
TORCHSHIP_INLINE Vec mish(Vec x) {
  const Vec power = exponential(at_most(x, broadcast(20.0f)));
  const Vec above = power * (power + 2.0f);
  return x * above / (above + 2.0f);
}

/// A function of single floats for each lane.
template <typename Function, typename... Vecs>
TORCHSHIP_INLINE Vec for_each_lane(Function function, Vecs... values) {
  Vec result{};
  for (int lane = 0; lane < kLanes; ++lane) result[lane] = function(values[lane]...);
  return result;
}

TORCHSHIP_INLINE bool any(IntVec mask) {
  std::int64_t parts[sizeof(IntVec) / sizeof(std::int64_t)];
  __builtin_memcpy(parts, &mask, sizeof(mask));
  std::int64_t all = 0;
  for (const std::int64_t part : parts) all |= part;
  return all != 0;
}

/// The sine of x + quarters * pi / 2, for x up to 1e4.
TORCHSHIP_INLINE Vec sine_of_moderate(Vec x, std::int32_t quarters) {
  constexpr float kToWhole = 0x1.8p23f;
  const Vec shifted = x * 0.636619772f + kToWhole;
  const Vec whole = shifted - kToWhole;
  // pi / 2 in four parts, whose products are exact.
  const Vec rest = (((x - whole * 1.5703125f) - whole * 0.00048351287841796875f) -
                    whole * 3.13855707645416259765e-07f) -
                   whole * 6.077100628276710381e-11f;
  const Vec square = rest * rest;
  const Vec of_sine =
      polynomial(square, -0.16666654611f, 0.0083321608736f, -0.00019515295891f) * square * rest +
      rest;
  const Vec of_cosine =
      polynomial(square, 0.04166664568298827f, -0.001388731625493765f, 2.443315711809948e-5f) *
          square * square +
      (1.0f - 0.5f * square);
  const IntVec turn = bits_of(shifted) + quarters;
  const Vec result = select((turn & 1) != 0, of_cosine, of_sine);
  return from_bits(bits_of(result) ^ ((turn & 2) << 30));
}

inline constexpr float kMostModerate = 1e4f;
/// Larger arguments, rare, are the C library's.
TORCHSHIP_INLINE Vec sine(Vec x) {
  if (any(~(absolute(x) <= kMostModerate))) {
    return for_each_lane([](float value) { return __builtin_sinf(value); }, x);
  }
  return select(x == 0.0f, x, sine_of_moderate(x, 0));
}
TORCHSHIP_INLINE Vec cosine(Vec x) {
  if (any(~(absolute(x) <= kMostModerate))) {
    return for_each_lane([](float value) { return __builtin_cosf(value); }, x);
  }
  return sine_of_moderate(x, 1);
}

/// By the C library, lane by lane.
TORCHSHIP_INLINE Vec power(Vec base, Vec exponent) {
  return for_each_lane([](float x, float y) { return __builtin_powf(x, y); }, base, exponent);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
