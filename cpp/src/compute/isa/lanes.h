#pragma once

// What crosses the lanes of vectors: sums, the largest, transposition.

#include <cstdint>

#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

template <int... kIndices>
struct Indices {};
template <int kCount, int... kIndices>
struct FirstIndices : FirstIndices<kCount - 1, kCount - 1, kIndices...> {};
template <int... kIndices>
struct FirstIndices<0, kIndices...> {
  using Type = Indices<kIndices...>;
};
using Lanes = FirstIndices<kLanes>::Type;

/// Lane i: x[i ^ kBit].
template <int kBit, int... kLane>
inline Vec exchange(Vec x, Indices<kLane...>) {
  return __builtin_shufflevector(x, x, (kLane ^ kBit)...);
}
/// Lane i: x[i] where i lacks the bit, else y[i ^ kBit].
template <int kBit, int... kLane>
inline Vec first_of_pairs(Vec x, Vec y, Indices<kLane...>) {
  return __builtin_shufflevector(x, y, ((kLane & kBit) != 0 ? kLanes + (kLane ^ kBit) : kLane)...);
}
/// Lane i: x[i ^ kBit] where i lacks the bit, else y[i].
template <int kBit, int... kLane>
inline Vec second_of_pairs(Vec x, Vec y, Indices<kLane...>) {
  return __builtin_shufflevector(x, y, ((kLane & kBit) != 0 ? kLanes + kLane : kLane ^ kBit)...);
}

template <int kBit = 1>
inline float sum_of_lanes(Vec x) {
  if constexpr (kBit == kLanes) {
    return x[0];
  } else {
    return sum_of_lanes<2 * kBit>(x + exchange<kBit>(x, Lanes()));
  }
}

template <int kBit = 1>
inline float largest_lane(Vec x) {
  if constexpr (kBit == kLanes) {
    return x[0];
  } else {
    return largest_lane<2 * kBit>(at_least(x, exchange<kBit>(x, Lanes())));
  }
}

/// Lane i: the sum of the lanes of vectors[i].
template <int kBit = 1>
inline Vec sums_of_lanes(const Vec (&vectors)[kLanes / kBit]) {
  if constexpr (kBit == kLanes) {
    return vectors[0];
  } else {
    Vec pairs[kLanes / kBit / 2];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes / kBit / 2; ++i) {
      const Vec x = vectors[2 * i], y = vectors[2 * i + 1];
      pairs[i] = first_of_pairs<kBit>(x, y, Lanes()) + second_of_pairs<kBit>(x, y, Lanes());
    }
    return sums_of_lanes<2 * kBit>(pairs);
  }
}

/// Lane i of vectors[j] becomes lane j of vectors[i].
template <int kBit = 1>
inline void transpose(Vec (&vectors)[kLanes]) {
  if constexpr (kBit < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & kBit) != 0) continue;
      const Vec x = vectors[i], y = vectors[i | kBit];
      vectors[i] = first_of_pairs<kBit>(x, y, Lanes());
      vectors[i | kBit] = second_of_pairs<kBit>(x, y, Lanes());
    }
    transpose<2 * kBit>(vectors);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
