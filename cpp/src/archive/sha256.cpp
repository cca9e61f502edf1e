#include "archive/sha256.h"

#include <algorithm>

#include "archive/sha256_blocks.h"

namespace torchship {
namespace {

constexpr std::array<std::uint32_t, 8> kStart = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

std::string hex(const std::array<std::uint32_t, 8>& words) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint32_t word : words) {
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(word >> shift) & 15];
  }
  return text;
}

}  // namespace

Sha256::Sha256(Path path)
    : compress_(path == Path::best && has_instructions() ? sha256_blocks_with_instructions
                                                         : sha256_blocks_portable),
      state_(kStart) {}

bool Sha256::has_instructions() noexcept { return cpu_has_sha256(); }

void Sha256::update(std::string_view bytes) {
  const std::size_t held = length_ % kBlock;
  length_ += bytes.size();
  if (held != 0) {
    const std::size_t taken = std::min(kBlock - held, bytes.size());
    std::copy_n(bytes.data(), taken, pending_.data() + held);
    bytes.remove_prefix(taken);
    if (held + taken < kBlock) return;
    compress_(state_, pending_.data(), 1);
  }
  compress_(state_, bytes.data(), bytes.size() / kBlock);
  const std::string_view rest = bytes.substr(bytes.size() / kBlock * kBlock);
  std::copy(rest.begin(), rest.end(), pending_.begin());
}

std::string Sha256::finish() {
  const std::uint64_t bits = length_ * 8;
  std::string padding(1, '\x80');
  padding.append((2 * kBlock - 9 - length_ % kBlock) % kBlock, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) padding += static_cast<char>(bits >> shift);
  update(padding);
  return hex(state_);
}

}  // namespace torchship
