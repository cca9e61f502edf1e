#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "files/atomic_file.h"

namespace torchship {

/// Writes a zip file of stored records, zip64 where it must be. The same records give the same
/// bytes: no clock is read.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& out) : out_(out) {}

  /// Appends a record made of `parts`, one after the other. Throws ArchiveError.
  void add(const std::string& name, std::initializer_list<std::string_view> parts);
  /// Writes the directory; nothing can be added afterwards.
  void finish();

 private:
  void write(std::string_view bytes);

  AtomicFile& out_;
  std::uint64_t offset_ = 0;
  std::uint64_t count_ = 0;
  std::string directory_;
};

}  // namespace torchship
