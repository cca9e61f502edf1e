#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "archive/descriptor.h"
#include "archive/mapping.h"

namespace torchship {

/// The bytes of an archive: a regular file opened for reading, or memory. What is read is always
/// the file that was opened, also after its name was given to another one. Reading from several
/// threads at once is safe.
class File {
 public:
  enum class Access {
    read,  ///< Bytes are copied when they are asked for.
    map,   ///< They are mapped, as far as the system allows; see Note [Mapped files].
  };

  /// Throws ArchiveError when there is no such file, it is a directory or some other thing that is
  /// no regular file, or it may not be read.
  explicit File(std::filesystem::path path, Access access = Access::read);
  /// The same for a file that is open already; `name` is for messages.
  File(Descriptor descriptor, std::filesystem::path name, Access access = Access::read);
  /// Bytes in memory, which `owner` keeps, if there is one.
  File(std::span<const char> bytes, std::filesystem::path name, std::shared_ptr<const void> owner);
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Or the name, of what has no path.
  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }

  /// Fills `out` from `offset`. Throws ArchiveError when the file ends before, or on an I/O error.
  void read(std::uint64_t offset, std::span<char> out) const;
  /// The same as a string; `length` is checked against the file before anything is allocated.
  std::string read(std::uint64_t offset, std::uint64_t length) const;

  /// All bytes at once; none where they can only be read.
  std::span<const char> bytes() const noexcept { return bytes_; }

  /// All bytes in a mapping of the caller's own, who may write to it; null where nothing is mapped.
  std::shared_ptr<const Mapping> writable() const;

 private:
  void check_range(std::uint64_t offset, std::uint64_t length) const;

  std::filesystem::path path_;
  Descriptor descriptor_;
  Access access_ = Access::read;
  std::uint64_t size_ = 0;
  std::shared_ptr<const void> owner_;  ///< Of the bytes.
  std::span<const char> bytes_;        ///< Where they are in memory.
};

}  // namespace torchship
