#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// What the zip reader and writer both know of the format (PKWARE's APPNOTE.TXT).
namespace torchship::zip_format {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocatorSignature = 0x07064b50;

/// Bytes of each header before its parts of variable length.
constexpr std::size_t kLocalSize = 30;
constexpr std::size_t kEntrySize = 46;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kLocatorSize = 20;
/// Bytes of the zip64 end record that its own length does not count.
constexpr std::size_t kEnd64Lead = 12;

constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kHasDescriptor = 1u << 3;
constexpr std::uint16_t kNamesAreUtf8 = 1u << 11;
constexpr std::uint16_t kZip64Field = 0x0001;

/// What makes a record's name unacceptable, "has an absolute name" and the like; empty if nothing.
std::string_view zip_name_fault(std::string_view name);

}  // namespace torchship::zip_format
