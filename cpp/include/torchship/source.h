#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <torchship/export.h>

namespace torchship {

/// Where an archive's bytes come from: a file, memory, a descriptor, a stream, or one of these with
/// a cipher over it. A cheap value; copies are the same source. A path is a source as it stands:
/// `Model("model.pt")`.
///
/// Files are opened, and bytes deciphered, each time the source is used; streams and pipes are read
/// to the end at once, and held in memory as long as a Source or a Model needs them. `name` is what
/// messages and ModelInfo::path call a source that has no path. Any thread may use a Source.
class TORCHSHIP_EXPORT Source {
 public:
  /// Whole bytes in, whole bytes out.
  using Decrypt = std::function<std::vector<std::byte>(std::span<const std::byte>)>;

  // Implicit: wherever an archive is wanted, its path will do.
  Source(std::filesystem::path path);  // NOLINT(google-explicit-constructor)
  Source(const std::string& path) : Source(std::filesystem::path(path)) {}  // NOLINT
  Source(std::string_view path) : Source(std::filesystem::path(path)) {}    // NOLINT
  Source(const char* path) : Source(std::filesystem::path(path)) {}         // NOLINT

  /// Bytes in memory. They are not copied as a whole, so they must stay as long as a Source or a
  /// Model uses them, or `owner` must keep them. Weights are copied out of them.
  static Source memory(std::span<const std::byte> bytes, std::string name,
                       std::shared_ptr<const void> owner = nullptr);

  /// An open descriptor, which is duplicated: it may be closed after. A regular file is read from
  /// its start, wherever the descriptor stands; a pipe or a socket to its end, now. Throws
  /// ArchiveError when it cannot be read, or gives more than half of this machine's memory.
  static Source descriptor(int descriptor, std::string name);

  /// A stream from where it stands to its end, now. Throws ArchiveError as descriptor() does.
  static Source stream(std::istream& stream, std::string name);

  /// What `decrypt` makes of the bytes of another source. They are only ever in memory. What it
  /// throws becomes an ArchiveError that names the source, when the source is used.
  static Source decrypted(Source encrypted, Decrypt decrypt);

  class Impl;  ///< The library's own.
  const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Source(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

}  // namespace torchship
