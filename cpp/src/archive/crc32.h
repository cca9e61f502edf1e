#pragma once

#include <cstdint>
#include <string_view>

namespace torchship {

/// CRC-32 as zip files use it. To go on over more bytes, hand in the sum so far.
std::uint32_t crc32(std::string_view bytes, std::uint32_t sum = 0) noexcept;

/// The same without the processor's instructions for it.
std::uint32_t crc32_portable(std::string_view bytes, std::uint32_t sum = 0) noexcept;

}  // namespace torchship
