#pragma once

// Whole numbers in place of floats: rows of a in 7 bits, and the products of four of them at a
// time. See Note [Quantised products] in matrix_int8.cpp.

#include <cstdint>

#include "compute/isa/epilogue.h"
#include "compute/isa/lanes.h"
#include "compute/isa/math.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Four neighbouring numbers of k: of a row or of a column.
using Word = std::int32_t __attribute__((may_alias));
inline constexpr std::int64_t kWordNumbers = 4;
/// Words of other memory.
using LooseIntVec = std::int32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline IntVec load_words(const float* from) { return *reinterpret_cast<const LooseIntVec*>(from); }
inline IntVec broadcast(std::int32_t value) { return value - IntVec{}; }

/// sums + the products of unsigned a, at most 127, and signed b, added up over the four of each
/// lane.
[[gnu::always_inline]] inline IntVec add_products(IntVec sums, IntVec a, IntVec b) {
#if defined(__AVX512BW__)
  const __m512i pairs =
      _mm512_maddubs_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
  return sums + reinterpret_cast<IntVec>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif defined(__AVX2__)
  const __m256i pairs =
      _mm256_maddubs_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b));
  return sums + reinterpret_cast<IntVec>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif defined(__SSE2__)
  // The even ones and the odd ones, widened to 16 bits.
  const auto a_pairs = reinterpret_cast<__m128i>(a), b_pairs = reinterpret_cast<__m128i>(b);
  const __m128i even = _mm_madd_epi16(_mm_and_si128(a_pairs, _mm_set1_epi16(0xff)),
                                      _mm_srai_epi16(_mm_slli_epi16(b_pairs, 8), 8));
  const __m128i odd = _mm_madd_epi16(_mm_srli_epi16(a_pairs, 8), _mm_srai_epi16(b_pairs, 8));
  return sums + reinterpret_cast<IntVec>(even) + reinterpret_cast<IntVec>(odd);
#else
  // Both are signed bytes here, for a is small.
  return sums + (a << 24 >> 24) * (b << 24 >> 24) + (a << 16 >> 24) * (b << 16 >> 24) +
         (a << 8 >> 24) * (b << 8 >> 24) + (a >> 24) * (b >> 24);
#endif
}

/// The nearest whole numbers, of halves the even ones; |x| is less than 2^31.
inline IntVec nearest(Vec x) {
#if defined(__AVX512F__)
  return reinterpret_cast<IntVec>(_mm512_maskz_cvtps_epi32(0xffff, x));
#elif defined(__AVX2__)
  return reinterpret_cast<IntVec>(_mm256_cvtps_epi32(x));
#elif defined(__SSE2__)
  return reinterpret_cast<IntVec>(_mm_cvtps_epi32(x));
#else
  return __builtin_convertvector(round(x), IntVec);
#endif
}

/// The lowest bytes of vectors of numbers from 0 to 127, in the order of the lanes.
inline void store_bytes(std::uint8_t* to, const IntVec (&numbers)[kWordNumbers]) {
#if defined(__AVX512F__)
  for (int i = 0; i < kWordNumbers; ++i) {
    const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(numbers[i]));
    __builtin_memcpy(to + i * kLanes, &bytes, sizeof(bytes));
  }
#elif defined(__AVX2__)
  const auto pairs = [&](int i) {
    return _mm256_packs_epi32(reinterpret_cast<__m256i>(numbers[i]),
                              reinterpret_cast<__m256i>(numbers[i + 1]));
  };
  // Instructions pack within halves of the vector: word i of each becomes the 2 * i-th and the next
  // one.
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(pairs(0), pairs(2)),
                                                    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  __builtin_memcpy(to, &bytes, sizeof(bytes));
#elif defined(__SSE2__)
  const auto pairs = [&](int i) {
    return _mm_packs_epi32(reinterpret_cast<__m128i>(numbers[i]),
                           reinterpret_cast<__m128i>(numbers[i + 1]));
  };
  const __m128i bytes = _mm_packus_epi16(pairs(0), pairs(2));
  __builtin_memcpy(to, &bytes, sizeof(bytes));
#else
  for (int i = 0; i < kWordNumbers; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      to[i * kLanes + lane] = static_cast<std::uint8_t>(numbers[i][lane]);
    }
  }
#endif
}

/// A scale below is this: its reciprocal is a number, also for what is 0 throughout.
inline constexpr float kLeastScale = 0x1p-126f;
inline constexpr float kLargestQuantised = 127;

/// What a row of a has before its words: number = scale * (quantised - zero_point).
struct RowHeader {
  float scale;
  std::int32_t zero_point;
};
inline constexpr std::int64_t kRowHeaderSize = sizeof(RowHeader) / sizeof(float);

inline RowHeader row_header(const float* row) {
  RowHeader header;
  __builtin_memcpy(&header, row, sizeof(header));
  return header;
}

/// The header that suits a row: it has NaN where the row has anything that is not finite.
inline RowHeader header_of(const float* numbers, std::int64_t size) {
  Vec low[4] = {}, high[4] = {}, check[4] = {};
  const auto take = [&](int i, Vec x) {
    low[i] = at_most(x, low[i]);
    high[i] = at_least(x, high[i]);
    check[i] += x * 0.0f;
  };
  std::int64_t k = 0;
  for (; k + 4 * kLanes <= size; k += 4 * kLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) take(i, load(numbers + k + i * kLanes));
  }
  for (; k + kLanes <= size; k += kLanes) take(0, load(numbers + k));
  if (k < size) take(1, load_few(numbers + k, size - k));
#pragma GCC unroll 4
  for (int i = 1; i < 4; ++i) {
    low[0] = at_most(low[i], low[0]);
    high[0] = at_least(high[i], high[0]);
    check[0] += check[i];
  }
  if (!(sum_of_lanes(check[0]) == 0)) return {kNotANumber, 0};
  const float lowest = -largest_lane(-low[0]);
  const float highest = largest_lane(high[0]);
  float scale = highest / kLargestQuantised - lowest / kLargestQuantised;
  if (scale < kLeastScale) scale = kLeastScale;
  return {scale, nearest(broadcast(-lowest * (1 / scale)))[0]};
}

/// Quantises a row: its header, and numbers up to `words` words, the ones behind its last one being
/// the zero point.
inline void quantise_row(const float* numbers, std::int64_t size, float* row, std::int64_t words) {
  constexpr std::int64_t kStep = kWordNumbers * kLanes;
  const RowHeader header = header_of(numbers, size);
  __builtin_memcpy(row, &header, sizeof(header));
  auto* to = reinterpret_cast<std::uint8_t*>(row + kRowHeaderSize);
  const std::int64_t last = words * kWordNumbers;
  if (header.scale != header.scale) {
    __builtin_memset(to, 0, static_cast<std::size_t>(last));
    return;
  }
  const float inverse = 1 / header.scale;
  const auto zero_point = static_cast<float>(header.zero_point);
  const Vec low = broadcast(-zero_point), high = broadcast(kLargestQuantised - zero_point);
  const auto store_quantised = [&](std::uint8_t* bytes, auto vector_at) {
    IntVec quantised[kWordNumbers];
    for (int i = 0; i < kWordNumbers; ++i) {
      quantised[i] =
          nearest(at_most(at_least(vector_at(i) * inverse, low), high)) + header.zero_point;
    }
    store_bytes(bytes, quantised);
  };
  std::int64_t k = 0;
  for (; k + kStep <= size; k += kStep) {
    store_quantised(to + k, [&](int i) { return load(numbers + k + i * kLanes); });
  }
  if (k == last) return;
  std::uint8_t bytes[kStep];
  store_quantised(bytes, [&](int i) {
    const std::int64_t left = size - k - i * kLanes;
    return left <= 0 ? Vec{} : load_first(numbers + k + i * kLanes, left);
  });
  __builtin_memcpy(to + k, bytes, static_cast<std::size_t>(last - k));
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
