#include "archive/crc32.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace torchship {
namespace {

constexpr std::size_t kSlices = 16;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

/// Table k holds what a byte adds to the sum once k more bytes have followed it.
constexpr Tables make_tables() {
  Tables tables = {};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320u : 0u);
    tables[0][byte] = sum;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t sum = tables[slice - 1][byte];
      tables[slice][byte] = (sum >> 8) ^ tables[0][sum & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

/// What the four bytes of `word` add when `behind` bytes of the same block follow them.
inline std::uint32_t fold(std::uint32_t word, std::size_t behind) noexcept {
  return kTables[behind + 3][word & 0xff] ^ kTables[behind + 2][(word >> 8) & 0xff] ^
         kTables[behind + 1][(word >> 16) & 0xff] ^ kTables[behind][word >> 24];
}

std::uint32_t update_with_tables(std::uint32_t sum, std::string_view bytes) noexcept {
  for (; bytes.size() >= kSlices; bytes.remove_prefix(kSlices)) {
    std::array<std::uint32_t, 4> words;
    std::memcpy(words.data(), bytes.data(), kSlices);
    sum = fold(words[0] ^ sum, 12) ^ fold(words[1], 8) ^ fold(words[2], 4) ^ fold(words[3], 0);
  }
  for (const char c : bytes) {
    sum = (sum >> 8) ^ kTables[0][(sum ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return sum;
}

#if defined(__x86_64__)

bool cpu_multiplies_polynomials() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_PCLMUL) != 0;
}

// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009: 16 bytes
// are moved forward by multiplying their halves with x^n modulo the polynomial. What is left in the
// end has the sum of all that went into it.
struct Step {
  std::uint64_t low, high;
};
constexpr Step kBy64 = {0x154442bd4, 0x1c6e41596};
constexpr Step kBy16 = {0x1751997d0, 0x0ccaa009e};

__attribute__((target("pclmul"))) inline __m128i forward(__m128i value, __m128i step) noexcept {
  return _mm_xor_si128(_mm_clmulepi64_si128(value, step, 0x00),
                       _mm_clmulepi64_si128(value, step, 0x11));
}

inline __m128i load(const char* bytes) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// Needs 64 bytes at least.
__attribute__((target("pclmul"))) std::uint32_t update_with_multiplication(
    std::uint32_t sum, std::string_view bytes) noexcept {
  const __m128i by64 = _mm_set_epi64x(kBy64.high, kBy64.low);
  const __m128i by16 = _mm_set_epi64x(kBy16.high, kBy16.low);
  __m128i lanes[4];
  for (int i = 0; i < 4; ++i) lanes[i] = load(bytes.data() + 16 * i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(sum)));
  for (bytes.remove_prefix(64); bytes.size() >= 64; bytes.remove_prefix(64)) {
    for (int i = 0; i < 4; ++i) {
      lanes[i] = _mm_xor_si128(forward(lanes[i], by64), load(bytes.data() + 16 * i));
    }
  }
  __m128i all = lanes[0];
  for (int i = 1; i < 4; ++i) all = _mm_xor_si128(forward(all, by16), lanes[i]);
  for (; bytes.size() >= 16; bytes.remove_prefix(16)) {
    all = _mm_xor_si128(forward(all, by16), load(bytes.data()));
  }
  std::array<char, 16> left;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(left.data()), all);
  return update_with_tables(update_with_tables(0, {left.data(), left.size()}), bytes);
}

#endif

std::uint32_t update(std::uint32_t sum, std::string_view bytes) noexcept {
#if defined(__x86_64__)
  static const bool multiplies = cpu_multiplies_polynomials();
  if (multiplies && bytes.size() >= 64) return update_with_multiplication(sum, bytes);
#endif
  return update_with_tables(sum, bytes);
}

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t sum) noexcept {
  return ~update(~sum, bytes);
}

std::uint32_t crc32_portable(std::string_view bytes, std::uint32_t sum) noexcept {
  return ~update_with_tables(~sum, bytes);
}

}  // namespace torchship
