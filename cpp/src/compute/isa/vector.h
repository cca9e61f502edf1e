#pragma once

// For the sources in this folder alone: each is compiled once for every level of instructions, in a
// namespace of the level's own (TORCHSHIP_LEVEL: "plain", "avx2", "avx512").
//
// Note [No inline functions of others]
// An inline function that two levels have under one name becomes one function when the library is
// linked, perhaps the one with the instructions that this CPU lacks. So these sources use no templates
// or inline functions of the standard library or LibTorch, and declare their own in the level's namespace.

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace torchship::compute::TORCHSHIP_LEVEL {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
#else
inline constexpr int kLanes = 4;  // SSE2 and NEON.
inline constexpr int kRegisters = 16;
#endif

/// kLanes floats; arithmetic is that of GCC's and Clang's vector extensions, a * b + c is fused
/// where the level has that instruction.
using Vec = float __attribute__((vector_size(kLanes * 4)));
using IntVec = std::int32_t __attribute__((vector_size(kLanes * 4)));
/// The same without an alignment, to read and write memory with.
using LooseVec = float __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<LooseVec*>(to) = value; }
/// A difference, since a sum with 0 is an instruction: it turns -0 to 0.
inline Vec broadcast(float value) { return value - Vec{}; }

#if defined(__AVX512F__)
inline __mmask16 first_lanes(std::int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
#elif defined(__AVX2__)
inline __m256i first_lanes(std::int64_t count) {
  const IntVec lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  return reinterpret_cast<__m256i>(lanes < static_cast<std::int32_t>(count));
}
#endif

/// The first `count` floats (1 to kLanes), and zeros.
inline Vec load_few(const float* from, std::int64_t count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(first_lanes(count), from);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(from, first_lanes(count));
#else
  Vec value{};
  __builtin_memcpy(&value, from, static_cast<std::size_t>(count) * sizeof(float));
  return value;
#endif
}
inline void store_few(float* to, Vec value, std::int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, first_lanes(count), value);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(to, first_lanes(count), value);
#else
  __builtin_memcpy(to, &value, static_cast<std::size_t>(count) * sizeof(float));
#endif
}

/// Bits of `yes` where the mask (all ones or all zeros) is set, else of `no`.
inline Vec select(IntVec mask, Vec yes, Vec no) { return mask ? yes : no; }
/// What is no number in `value` stays: value < low ? low : value.
#if defined(__AVX512F__)
// With all of the mask set, that is without: GCC 12 warns of the plain ones.
inline Vec at_least(Vec value, Vec low) { return _mm512_maskz_max_ps(0xffff, low, value); }
inline Vec at_most(Vec value, Vec high) { return _mm512_maskz_min_ps(0xffff, high, value); }
#elif defined(__AVX2__)
inline Vec at_least(Vec value, Vec low) { return _mm256_max_ps(low, value); }
inline Vec at_most(Vec value, Vec high) { return _mm256_min_ps(high, value); }
#elif defined(__SSE2__)
inline Vec at_least(Vec value, Vec low) { return _mm_max_ps(low, value); }
inline Vec at_most(Vec value, Vec high) { return _mm_min_ps(high, value); }
#else
inline Vec at_least(Vec value, Vec low) { return value < low ? low : value; }
inline Vec at_most(Vec value, Vec high) { return value > high ? high : value; }
#endif

}  // namespace torchship::compute::TORCHSHIP_LEVEL
