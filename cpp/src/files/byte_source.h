#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "archive/file.h"

namespace torchship {

/// Bytes that can be read in any order: a file, or a part of one that lies in memory. It refers to
/// what it was made from.
struct ByteSource {
  std::string name;  ///< For messages.
  std::uint64_t size = 0;
  /// Fills `out` from `offset`; throws ArchiveError when there are not that many bytes.
  std::function<void(std::uint64_t offset, std::span<char> out)> read;

  /// `length` bytes from `offset`; nothing is allocated for bytes that are not there.
  std::string text(std::uint64_t offset, std::uint64_t length) const;
};

ByteSource byte_source(const File& file);
ByteSource byte_source(std::string_view bytes, std::string name);

}  // namespace torchship
