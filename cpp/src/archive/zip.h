#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "archive/file.h"

namespace torchship {

/// One record of a zip file, as its central directory describes it.
struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;           ///< Of the record's local header in the file.
  std::uint64_t compressed_size = 0;  ///< Bytes in the file.
  std::uint64_t size = 0;             ///< Bytes once inflated.
  std::uint32_t crc32 = 0;
  bool deflated = false;
};

/// Reads zip files (zip64 too), stored and deflated records.
///
/// Strict, because the file may come from a stranger: every offset and length is checked against
/// the file, local headers must agree with the directory, names are unique; encrypted records,
/// multi-disk files and other compressions are refused. Throws ArchiveError naming file and record.
/// Safe to use from several threads at once.
class ZipReader {
 public:
  explicit ZipReader(std::shared_ptr<const File> file);
  // Names in the index point into the entries: moving keeps them in place, copying would not.
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  ZipReader(ZipReader&&) = default;
  ZipReader& operator=(ZipReader&&) = default;

  /// Whether the file has a zip end record where one must be; a cheap look, no throw for content.
  static bool recognises(const File& file);

  const File& file() const noexcept { return *file_; }
  /// In the order of the directory.
  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  /// Where the directory starts in the file, and how many bytes it has, without its end record.
  std::uint64_t directory_offset() const noexcept { return directory_offset_; }
  std::uint64_t directory_size() const noexcept { return directory_size_; }
  /// The record of that name, or null.
  const ZipEntry* find(std::string_view name) const noexcept;

  /// Where a record's bytes start in the file, after its local header.
  std::uint64_t data_offset(const ZipEntry& entry) const;
  /// The record's bytes, inflated, with its CRC checked. Records above `limit` bytes are refused
  /// before anything is allocated.
  std::string read(const ZipEntry& entry, std::uint64_t limit) const;
  /// Hands the record's bytes, inflated, to `take` piece by piece, with its CRC checked at the end.
  /// Memory for a compressed record is bounded by its compressed size.
  void stream(const ZipEntry& entry, const std::function<void(std::string_view)>& take) const;
  /// The same without the CRC, for who has another way to know that the bytes are right.
  void stream_unchecked(const ZipEntry& entry,
                        const std::function<void(std::string_view)>& take) const;
  /// The record's bytes where they lie among `bytes`, those of the whole file; nothing when the
  /// record is deflated, or `bytes` are empty.
  std::optional<std::string_view> view(const ZipEntry& entry, std::span<const char> bytes) const;
  /// Throws unless `sum` is the record's CRC.
  void check_sum(const ZipEntry& entry, std::uint32_t sum) const;

 private:
  std::shared_ptr<const File> file_;
  /// Some writers can be told not to compute CRCs and leave zeros in all records.
  bool has_sums_ = false;
  std::uint64_t directory_offset_ = 0;
  std::uint64_t directory_size_ = 0;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace torchship
