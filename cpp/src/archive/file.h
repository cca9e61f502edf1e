#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace torchship {

/// A regular file opened for reading. What is read is always the file that was opened, also after
/// its name was given to another one. Reading from several threads at once is safe.
class File {
 public:
  /// Throws ArchiveError when there is no such file, it is a directory or some other thing that is
  /// no regular file, or it may not be read.
  explicit File(std::filesystem::path path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }

  /// Fills `out` from `offset`. Throws ArchiveError when the file ends before, or on an I/O error.
  void read(std::uint64_t offset, std::span<char> out) const;
  /// The same as a string; `length` is checked against the file before anything is allocated.
  std::string read(std::uint64_t offset, std::uint64_t length) const;

 private:
  void check_range(std::uint64_t offset, std::uint64_t length) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace torchship
