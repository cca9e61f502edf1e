#pragma once

// Sums, maxima and minima of many numbers.

#include <cstdint>

#include "compute/isa/math.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Lane i has that of i ^ kDistance.
template <int kDistance>
inline Vec exchanged(Vec v) {
  constexpr int d = kDistance;
#if defined(__AVX512F__)
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d,
                                 8 ^ d, 9 ^ d, 10 ^ d, 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d);
#elif defined(__AVX2__)
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d);
#else
  return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d);
#endif
}

template <typename Combine>
inline float combined_lanes(Vec v, Combine combine) {
  if constexpr (kLanes > 8) v = combine(v, exchanged<8>(v));
  if constexpr (kLanes > 4) v = combine(v, exchanged<4>(v));
  v = combine(v, exchanged<2>(v));
  v = combine(v, exchanged<1>(v));
  return v[0];
}

/// The first `count` lanes, and `other` in those behind.
inline Vec first_of(Vec value, std::int64_t count, Vec other) {
  IntVec lanes{};
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = lane;
  return select(lanes < static_cast<std::int32_t>(count), value, other);
}

/// What `combine` makes of `count` numbers, which `at` and `few_at` give in vectors: it starts with
/// `nothing`. A block's numbers are combined first, so that a long sum stays exact.
template <typename Combine, typename At, typename FewAt>
inline float combined(std::int64_t count, float nothing, Combine combine, At at, FewAt few_at) {
  constexpr std::int64_t kBlock = 4096;
  const Vec none = broadcast(nothing);
  Vec all = none;
  std::int64_t i = 0;
  while (i < count) {
    const std::int64_t end = count - i < kBlock ? count : i + kBlock;
    // Eight sums side by side, since each waits for its last addition; what is left joins four of
    // them.
    Vec parts[8] = {none, none, none, none, none, none, none, none};
    for (; i + 8 * kLanes <= end; i += 8 * kLanes) {
      for (int part = 0; part < 8; ++part)
        parts[part] = combine(parts[part], at(i + part * kLanes));
    }
    for (int part = 0; part < 4; ++part) parts[part] = combine(parts[part], parts[part + 4]);
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      for (int part = 0; part < 2; ++part)
        parts[part] = combine(parts[part], at(i + part * kLanes));
    }
    for (; i + kLanes <= end; i += kLanes) parts[2] = combine(parts[2], at(i));
    if (i < end) parts[3] = combine(parts[3], first_of(few_at(i, end - i), end - i, none));
    i = end;
    all = combine(all, combine(combine(parts[0], parts[1]), combine(parts[2], parts[3])));
  }
  return combined_lanes(all, combine);
}

template <typename At, typename FewAt>
inline float sum_of(std::int64_t count, At at, FewAt few_at) {
  return combined(count, 0.0f, [](Vec a, Vec b) { return a + b; }, at, few_at);
}

/// The combination of a row in memory.
template <typename Combine>
inline float combined_row(const float* values, std::int64_t count, float nothing, Combine combine) {
  return combined(
      count, nothing, combine, [=](std::int64_t i) { return load(values + i); },
      [=](std::int64_t i, std::int64_t few) { return load_few(values + i, few); });
}

inline float sum_of_row(const float* values, std::int64_t count) {
  return combined_row(values, count, 0.0f, [](Vec a, Vec b) { return a + b; });
}

/// The sum of the squares of the differences from the mean.
inline float squares_around(const float* values, float mean, std::int64_t count) {
  return sum_of(
      count,
      [=](std::int64_t i) {
        const Vec difference = load(values + i) - mean;
        return difference * difference;
      },
      [=](std::int64_t i, std::int64_t few) {
        const Vec difference = load_few(values + i, few) - mean;
        return difference * difference;
      });
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
