#pragma once

#include <filesystem>
#include <string_view>

namespace torchship {

/// Writes a file that appears whole under its name, or not at all.
///
/// The bytes go to a temporary file in the same folder, which commit() puts in the file's place.
/// A symbolic link at `path` is followed. Without commit() nothing is left behind. Throws
/// ArchiveError.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// As the caller gave it, for messages.
  const std::filesystem::path& path() const noexcept { return path_; }

  void write(std::string_view bytes);
  /// Returns once the bytes are on the disk under the file's name.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path target_;     ///< Where the links at path_ lead.
  std::filesystem::path temporary_;  ///< Empty once it has become the target.
  int descriptor_ = -1;
};

}  // namespace torchship
