#include "archive/crc32.h"

#include <array>
#include <cstddef>
#include <cstring>

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

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t sum) noexcept {
  sum = ~sum;
  for (; bytes.size() >= kSlices; bytes.remove_prefix(kSlices)) {
    std::array<std::uint32_t, 4> words;
    std::memcpy(words.data(), bytes.data(), kSlices);
    sum = fold(words[0] ^ sum, 12) ^ fold(words[1], 8) ^ fold(words[2], 4) ^ fold(words[3], 0);
  }
  for (const char c : bytes) {
    sum = (sum >> 8) ^ kTables[0][(sum ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~sum;
}

}  // namespace torchship
