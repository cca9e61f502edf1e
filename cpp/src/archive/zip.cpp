#include "archive/zip.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include <torchship/error.h>

#include "archive/crc32.h"
#include "archive/inflate.h"
#include "archive/little_endian.h"
#include "archive/text.h"
#include "archive/zip_format.h"

namespace torchship {
namespace {

using namespace zip_format;

constexpr std::uint16_t kEncrypted = 1u << 0 | 1u << 6 | 1u << 13;
/// The most that deflate can shrink anything: 258 bytes to two bits, and some for short input.
constexpr std::uint64_t kMostDeflated = 1032;

/// How much of a record is in memory at once when it is streamed.
constexpr std::uint64_t kPiece = 1 << 20;

constexpr const char* kDamagedHint = "The file is damaged: copy or download it again.";

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
};

[[noreturn]] void refuse(const File& file, const std::string& what) {
  throw ArchiveError(file.path().string() + ": " + what, kDamagedHint);
}

[[noreturn]] void refuse(const File& file, std::string_view record, const std::string& what,
                         const std::string& hint = kDamagedHint) {
  throw ArchiveError(file.path().string() + ": record " + quote(record) + " " + what, hint);
}

/// Where the last end record starts. LibTorch's own reader picks the same one.
std::optional<std::uint64_t> find_end_record(const File& file) {
  constexpr std::uint64_t kLongestTail = kEndSize + 0xffff;
  if (file.size() < kEndSize) return std::nullopt;
  const std::uint64_t start = file.size() - std::min(file.size(), kLongestTail);
  const std::string tail = file.read(start, file.size() - start);
  const std::string signature = little_bytes(kEndSignature);
  const std::size_t found = tail.rfind(signature, tail.size() - kEndSize);
  if (found == std::string::npos) return std::nullopt;
  const auto comment = load_little<std::uint16_t>(tail, found + 20);
  if (found + kEndSize + comment != tail.size()) return std::nullopt;
  return start + found;
}

/// The zip64 end record that ends where its locator, at `locator_offset`, begins.
Directory read_zip64_end(const File& file, std::uint64_t locator_offset, std::string_view locator) {
  const auto offset = load_little<std::uint64_t>(locator, 8);
  if (locator_offset < kEnd64Size || offset > locator_offset - kEnd64Size) {
    refuse(file, "its zip64 end record is not where its locator says");
  }
  const std::string end = file.read(offset, kEnd64Size);
  const auto length = load_little<std::uint64_t>(end, 4);
  if (load_little<std::uint32_t>(end, 0) != kEnd64Signature ||
      length != locator_offset - offset - kEnd64Lead) {
    refuse(file, "its zip64 end record is not where its locator says");
  }
  const bool one_disk =
      load_little<std::uint32_t>(locator, 4) == 0 && load_little<std::uint32_t>(locator, 16) <= 1 &&
      load_little<std::uint32_t>(end, 16) == 0 && load_little<std::uint32_t>(end, 20) == 0 &&
      load_little<std::uint64_t>(end, 24) == load_little<std::uint64_t>(end, 32);
  if (!one_disk) refuse(file, "is one part of a zip file of several disks");
  const Directory directory{.offset = load_little<std::uint64_t>(end, 48),
                            .size = load_little<std::uint64_t>(end, 40),
                            .count = load_little<std::uint64_t>(end, 32)};
  if (directory.offset > offset || directory.size != offset - directory.offset) {
    refuse(file, "its zip directory does not end where its end record begins");
  }
  return directory;
}

/// Whether a field of the end record says what the zip64 one does, or nothing.
template <typename T>
bool agrees(T field, std::uint64_t in_zip64) {
  return field == static_cast<T>(-1) || field == in_zip64;
}

Directory read_end(const File& file) {
  const std::optional<std::uint64_t> offset = find_end_record(file);
  if (!offset) {
    throw ArchiveError(
        file.path().string() + ": not a zip file, or one that is cut short (no end record)",
        kDamagedHint);
  }
  const std::string end = file.read(*offset, kEndSize);
  const auto disks = load_little<std::uint32_t>(end, 4);
  const auto count_here = load_little<std::uint16_t>(end, 8);
  const auto count = load_little<std::uint16_t>(end, 10);
  const auto size = load_little<std::uint32_t>(end, 12);
  const auto start = load_little<std::uint32_t>(end, 16);
  if ((disks != 0 && disks != 0xffffffff) || count_here != count) {
    refuse(file, "is one part of a zip file of several disks");
  }
  if (*offset >= kLocatorSize) {
    const std::uint64_t locator_offset = *offset - kLocatorSize;
    const std::string locator = file.read(locator_offset, kLocatorSize);
    if (load_little<std::uint32_t>(locator, 0) == kLocatorSignature) {
      const Directory directory = read_zip64_end(file, locator_offset, locator);
      if (!agrees(count, directory.count) || !agrees(size, directory.size) ||
          !agrees(start, directory.offset)) {
        refuse(file, "its two zip end records contradict each other");
      }
      return directory;
    }
  }
  if (start > *offset || size != *offset - start) {
    refuse(file, "its zip directory does not end where its end record begins");
  }
  return {.offset = start, .size = size, .count = count};
}

/// The zip64 field of a header's extra data; empty if there is none.
std::string_view zip64_field(std::string_view extra) {
  while (extra.size() >= 4) {
    const auto id = load_little<std::uint16_t>(extra, 0);
    const auto length = load_little<std::uint16_t>(extra, 2);
    extra.remove_prefix(4);
    if (id == kZip64Field) return extra.substr(0, length);
    extra.remove_prefix(std::min<std::size_t>(length, extra.size()));
  }
  return {};
}

/// A 32-bit field's value; where it is all ones, the next of the zip64 field, which is cut there.
class Zip64Values {
 public:
  explicit Zip64Values(std::string_view extra) : field_(zip64_field(extra)) {}

  std::optional<std::uint64_t> widen(std::uint32_t value) {
    if (value != 0xffffffff) return value;
    if (field_.size() < sizeof(std::uint64_t)) return std::nullopt;
    const auto wide = load_little<std::uint64_t>(field_, 0);
    field_.remove_prefix(sizeof(std::uint64_t));
    return wide;
  }

 private:
  std::string_view field_;
};

void check_name(const File& file, std::string_view name) {
  if (const std::string_view fault = zip_name_fault(name); !fault.empty()) {
    refuse(file, name, std::string(fault),
           "Such names occur in files made to deceive: do not use it unless you know its source.");
  }
}

void check_method(const File& file, std::string_view name, std::uint16_t flags,
                  std::uint16_t method) {
  if ((flags & kEncrypted) != 0) {
    refuse(file, name, "is encrypted", "Save it without a password.");
  }
  if (method != kStored && method != kDeflated) {
    refuse(file, name, "is compressed with method " + std::to_string(method),
           "Only stored and deflated records can be read: save it without compression.");
  }
}

/// The entry that starts `directory`, whose fixed part is there.
ZipEntry parse_entry(const File& file, std::string_view directory) {
  const auto name_length = load_little<std::uint16_t>(directory, 28);
  const auto extra_length = load_little<std::uint16_t>(directory, 30);
  if (load_little<std::uint32_t>(directory, 0) != kEntrySignature ||
      directory.size() < kEntrySize + name_length + extra_length) {
    refuse(file, "its zip directory is damaged");
  }
  ZipEntry entry;
  entry.name = directory.substr(kEntrySize, name_length);
  check_name(file, entry.name);
  const auto method = load_little<std::uint16_t>(directory, 10);
  check_method(file, entry.name, load_little<std::uint16_t>(directory, 8), method);
  entry.deflated = method == kDeflated;
  entry.crc32 = load_little<std::uint32_t>(directory, 16);

  Zip64Values zip64(directory.substr(kEntrySize + name_length, extra_length));
  const auto size = zip64.widen(load_little<std::uint32_t>(directory, 24));
  const auto compressed_size = zip64.widen(load_little<std::uint32_t>(directory, 20));
  const auto offset = zip64.widen(load_little<std::uint32_t>(directory, 42));
  if (!size || !compressed_size || !offset) refuse(file, entry.name, "lacks its zip64 sizes");
  entry.size = *size;
  entry.compressed_size = *compressed_size;
  entry.offset = *offset;
  const auto disk = load_little<std::uint16_t>(directory, 34);
  if (disk != 0 && disk != 0xffff) refuse(file, entry.name, "lies on another disk");
  // LibTorch's reader gives back a record that has this attribute without reading its bytes.
  constexpr std::uint32_t kFolder = 0x10;
  if ((load_little<std::uint32_t>(directory, 38) & kFolder) != 0 && entry.size != 0) {
    refuse(file, entry.name, "is marked as a folder, but has content");
  }
  if (!entry.deflated && entry.size != entry.compressed_size) {
    refuse(file, entry.name, "is stored, but has two different sizes");
  }
  if (entry.size / kMostDeflated > entry.compressed_size) {
    refuse(file, entry.name, "claims more bytes than its data can hold");
  }
  return entry;
}

std::vector<ZipEntry> read_directory(const File& file, const Directory& where) {
  if (where.count > where.size / kEntrySize) {
    refuse(file, "its zip directory is too short for " + std::to_string(where.count) + " records");
  }
  const std::string directory = file.read(where.offset, where.size);
  std::string_view rest = directory;
  std::vector<ZipEntry> entries;
  entries.reserve(where.count);
  while (rest.size() >= kEntrySize && entries.size() < where.count) {
    entries.push_back(parse_entry(file, rest));
    const std::size_t length = kEntrySize + entries.back().name.size() +
                               load_little<std::uint16_t>(rest, 30) +
                               load_little<std::uint16_t>(rest, 32);
    if (length > rest.size()) refuse(file, "its zip directory is damaged");
    rest.remove_prefix(length);
  }
  if (entries.size() != where.count || !rest.empty()) {
    refuse(file, "its zip directory does not hold " + std::to_string(where.count) + " records");
  }
  return entries;
}

/// Whether a local header's sizes and sum are the directory's; a writer that did not know them yet
/// wrote zeros and set the flag for a data descriptor.
bool local_sizes_agree(std::string_view header, std::string_view extra, const ZipEntry& entry) {
  const bool later = (load_little<std::uint16_t>(header, 6) & kHasDescriptor) != 0;
  const auto known = [later](std::optional<std::uint64_t> value, std::uint64_t expected) {
    return value ? *value == expected || (later && *value == 0) : later;
  };
  Zip64Values zip64(extra);
  const auto size = zip64.widen(load_little<std::uint32_t>(header, 22));
  const auto compressed_size = zip64.widen(load_little<std::uint32_t>(header, 18));
  return known(size, entry.size) && known(compressed_size, entry.compressed_size) &&
         known(load_little<std::uint32_t>(header, 14), entry.crc32);
}

/// Where the record's data begins. Throws unless its local header says what the directory does.
std::uint64_t check_local_header(const File& file, const ZipEntry& entry) {
  const std::string header = file.read(entry.offset, kLocalSize);
  const auto name_length = load_little<std::uint16_t>(header, 26);
  const auto extra_length = load_little<std::uint16_t>(header, 28);
  const auto method = load_little<std::uint16_t>(header, 8);
  if (load_little<std::uint32_t>(header, 0) != kLocalSignature ||
      name_length != entry.name.size() || method != (entry.deflated ? kDeflated : kStored)) {
    refuse(file, entry.name, "is not where the zip directory says");
  }
  check_method(file, entry.name, load_little<std::uint16_t>(header, 6), method);
  const std::string rest = file.read(entry.offset + kLocalSize, name_length + extra_length);
  if (rest.compare(0, name_length, entry.name) != 0) {
    refuse(file, entry.name, "has another name in its own header");
  }
  if (!local_sizes_agree(header, std::string_view(rest).substr(name_length), entry)) {
    refuse(file, entry.name, "has other sizes in its own header than in the zip directory");
  }
  return entry.offset + kLocalSize + rest.size();
}

/// Records may leave gaps, but share no byte with each other or the directory.
void check_layout(const File& file, const std::vector<ZipEntry>& entries,
                  std::uint64_t directory_offset) {
  std::vector<const ZipEntry*> by_offset;
  by_offset.reserve(entries.size());
  for (const ZipEntry& entry : entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(),
            [](const ZipEntry* a, const ZipEntry* b) { return a->offset < b->offset; });
  for (std::size_t i = 0; i < by_offset.size(); ++i) {
    const ZipEntry& entry = *by_offset[i];
    const bool last = i + 1 == by_offset.size();
    const std::uint64_t end = last ? directory_offset : by_offset[i + 1]->offset;
    const std::uint64_t data = check_local_header(file, entry);
    if (data > end || entry.compressed_size > end - data) {
      refuse(file, entry.name,
             last ? "runs into the zip directory" : "overlaps " + quote(by_offset[i + 1]->name));
    }
  }
}

}  // namespace

ZipReader::ZipReader(std::shared_ptr<const File> file) : file_(std::move(file)) {
  const Directory directory = read_end(*file_);
  directory_offset_ = directory.offset;
  directory_size_ = directory.size;
  entries_ = read_directory(*file_, directory);
  by_name_.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!by_name_.emplace(entries_[i].name, i).second) {
      refuse(*file_, entries_[i].name, "occurs twice");
    }
  }
  check_layout(*file_, entries_, directory.offset);
  has_sums_ = std::any_of(entries_.begin(), entries_.end(),
                          [](const ZipEntry& entry) { return entry.crc32 != 0; });
}

bool ZipReader::recognises(const File& file) { return find_end_record(file).has_value(); }

const ZipEntry* ZipReader::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::uint64_t ZipReader::data_offset(const ZipEntry& entry) const {
  return check_local_header(*file_, entry);
}

std::string ZipReader::read(const ZipEntry& entry, std::uint64_t limit) const {
  if (entry.size > limit) {
    refuse(*file_, entry.name,
           "holds " + std::to_string(entry.size) + " bytes, more than the " +
               std::to_string(limit) + " allowed here",
           /*hint=*/"");
  }
  if (!entry.deflated) {
    std::string bytes = file_->read(data_offset(entry), entry.size);
    check_sum(entry, crc32(bytes));
    return bytes;
  }
  std::string bytes;
  stream(entry, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

void ZipReader::stream(const ZipEntry& entry,
                       const std::function<void(std::string_view)>& take) const {
  std::uint32_t sum = 0;
  stream_unchecked(entry, [&](std::string_view bytes) {
    sum = crc32(bytes, sum);
    take(bytes);
  });
  check_sum(entry, sum);
}

void ZipReader::stream_unchecked(const ZipEntry& entry,
                                 const std::function<void(std::string_view)>& take) const {
  const std::uint64_t start = data_offset(entry);
  if (entry.deflated) {
    if (!inflate(file_->read(start, entry.compressed_size), entry.size, take)) {
      refuse(*file_, entry.name, "does not inflate to " + std::to_string(entry.size) + " bytes");
    }
    return;
  }
  std::string piece(std::min(entry.size, kPiece), '\0');
  for (std::uint64_t done = 0; done < entry.size; done += piece.size()) {
    piece.resize(std::min(entry.size - done, kPiece));
    file_->read(start + done, std::span<char>(piece));
    take(piece);
  }
}

std::optional<std::string_view> ZipReader::view(const ZipEntry& entry,
                                                std::span<const char> bytes) const {
  if (entry.deflated || bytes.empty()) return std::nullopt;
  const std::span<const char> record = bytes.subspan(data_offset(entry), entry.size);
  return std::string_view(record.data(), record.size());
}

void ZipReader::check_sum(const ZipEntry& entry, std::uint32_t sum) const {
  if (has_sums_ && sum != entry.crc32) {
    refuse(*file_, entry.name, "is damaged: its checksum does not match");
  }
}

}  // namespace torchship
