#include <algorithm>
#include <string>
#include <vector>

#include "archive/little_endian.h"
#include "archive/text.h"
#include "archive/zip_format.h"
#include "audit/audit.h"

namespace torchship {
namespace {

using namespace zip_format;

constexpr const char* kCode = "audit-zip";
constexpr const char* kSource = "do not use it; an honest file can be saved again with torch.jit.save";

/// What a directory entry says beyond ZipEntry, which the reader has checked already.
struct Header {
  std::uint16_t flags = 0;
  std::uint16_t mode = 0;  ///< Of Unix: file, folder, link.
  std::string_view extra;
  bool has_comment = false;
};

class ZipAudit {
 public:
  ZipAudit(const ZipReader& zip, AuditReport& report)
      : zip_(zip),
        report_(report),
        directory_(zip.file().read(zip.directory_offset(), zip.directory_size())) {}

  void run() {
    std::string_view rest = directory_;
    for (const ZipEntry& entry : zip_.entries()) {
      const Header header = take_header(rest, entry);
      check_header(entry, header);
    }
    check_gaps();
    check_end();
    check_sizes();
  }

 private:
  void fault(const std::string& place, const std::string& message) {
    report_.error(kCode, place, message, kSource);
  }

  static Header take_header(std::string_view& rest, const ZipEntry& entry) {
    const auto extra_length = load_little<std::uint16_t>(rest, 30);
    const auto comment_length = load_little<std::uint16_t>(rest, 32);
    const Header header{
        .flags = load_little<std::uint16_t>(rest, 8),
        .mode = load_little<std::uint16_t>(rest, 40),
        .extra = rest.substr(kEntrySize + entry.name.size(), extra_length),
        .has_comment = comment_length > 0};
    rest.remove_prefix(kEntrySize + entry.name.size() + extra_length + comment_length);
    return header;
  }

  void check_header(const ZipEntry& entry, const Header& header) {
    // Bits 1 and 2 tell how well deflate was asked to work.
    constexpr unsigned kHarmless = kHasDescriptor | kNamesAreUtf8 | 6u;
    if ((header.flags & ~kHarmless) != 0) {
      fault(entry.name, "the record has zip flags that PyTorch never sets");
    }
    constexpr unsigned kFormat = 0170000, kRegular = 0100000, kFolder = 0040000;
    const unsigned kind = header.mode & kFormat;
    if (kind != 0 && kind != kRegular && !(kind == kFolder && entry.size == 0)) {
      fault(entry.name, "the record is marked as a symbolic link or a special file, which programs "
                        "that unpack the archive would create");
    }
    if (header.has_comment) fault(entry.name, "the record has a comment, in which anything may hide");
    check_extra(entry, header.extra);
  }

  /// PyTorch writes sizes beyond 4 GiB (zip64), and padding so that data is aligned.
  void check_extra(const ZipEntry& entry, std::string_view extra) {
    constexpr std::uint16_t kPadding = 0x4246;  // "FB"
    while (extra.size() >= 4) {
      const auto id = load_little<std::uint16_t>(extra, 0);
      const std::size_t length = load_little<std::uint16_t>(extra, 2);
      if (length > extra.size() - 4) break;
      const std::string_view content = extra.substr(4, length);
      const bool blank = content.find_first_not_of(content.substr(0, 1)) == std::string_view::npos;
      constexpr std::size_t kLongestZip64 = 28;
      if (!(id == kZip64Field && length <= kLongestZip64) && !(id == kPadding && blank)) {
        fault(entry.name, "the record has an extra field that PyTorch does not write, in which "
                          "anything may hide");
        return;
      }
      extra.remove_prefix(4 + length);
    }
    if (!extra.empty()) fault(entry.name, "the record's extra data is no list of fields");
  }

  void check_gaps() {
    std::vector<std::size_t> order(zip_.entries().size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return zip_.entries()[a].offset < zip_.entries()[b].offset;
    });
    std::uint64_t at = 0;
    for (const std::size_t i : order) {
      const ZipEntry& entry = zip_.entries()[i];
      if (entry.offset != at) {
        hidden(at == 0 ? "before the first record" : "before the record " + quote(entry.name),
               entry.offset - at);
      }
      at = end_of(entry);
    }
    if (at != zip_.directory_offset()) {
      hidden("before the zip directory", zip_.directory_offset() - at);
    }
  }

  void hidden(const std::string& where, std::uint64_t bytes) {
    fault("", "there are " + std::to_string(bytes) + " bytes " + where +
                  " that belong to no record: the file may be another thing as well, such as a program");
  }

  /// Where the record ends, its data descriptor included.
  std::uint64_t end_of(const ZipEntry& entry) {
    const std::uint64_t data = zip_.data_offset(entry);
    const std::string local = zip_.file().read(entry.offset, data - entry.offset);
    check_extra(entry, std::string_view(local).substr(kLocalSize + entry.name.size()));
    const std::uint64_t end = data + entry.compressed_size;
    if ((load_little<std::uint16_t>(local, 6) & kHasDescriptor) == 0) return end;
    const std::string sum = little_bytes(std::uint32_t{0x08074b50}) + little_bytes(entry.crc32);
    const std::string wide = sum + little_bytes(entry.compressed_size) + little_bytes(entry.size);
    const std::string narrow = sum + little_bytes(static_cast<std::uint32_t>(entry.compressed_size)) +
                               little_bytes(static_cast<std::uint32_t>(entry.size));
    const std::string after =
        zip_.file().read(end, std::min<std::uint64_t>(wide.size(), zip_.file().size() - end));
    for (const std::string& descriptor : {wide, narrow, wide.substr(4), narrow.substr(4)}) {
      if (after.starts_with(descriptor)) return end + descriptor.size();
    }
    return end;
  }

  /// The directory, its zip64 end with locator or without, and an end without comment.
  void check_end() {
    const std::uint64_t tail =
        zip_.file().size() - zip_.directory_offset() - zip_.directory_size();
    if (tail != kEndSize && tail != kEnd64Size + kLocatorSize + kEndSize) {
      fault("", "the file goes on after its zip directory: with a comment, or with data that "
                "belongs to no record");
    }
  }

  void check_sizes() {
    constexpr std::uint64_t kRatio = 100, kSmall = 16 << 20, kSmallTotal = 64 << 20;
    std::uint64_t total = 0;
    for (const ZipEntry& entry : zip_.entries()) {
      total += entry.deflated ? entry.size : 0;
      if (entry.deflated && entry.size > kSmall && entry.size / kRatio > entry.compressed_size) {
        bomb(entry.name, "the record inflates from " + std::to_string(entry.compressed_size) +
                             " to " + std::to_string(entry.size) + " bytes");
      }
    }
    if (total > kSmallTotal && total / kRatio > zip_.file().size()) {
      bomb("", "its records inflate to " + std::to_string(total) + " bytes, more than " +
                   std::to_string(kRatio) + " times the file");
    }
  }

  void bomb(const std::string& place, const std::string& message) {
    report_.error("audit-zip-bomb", place, message + ": made to use up memory",
                  "do not use it; PyTorch does not compress weights");
    report_.forbid_reading();
  }

  const ZipReader& zip_;
  AuditReport& report_;
  const std::string directory_;
};

}  // namespace

void audit_zip(const ZipReader& zip, AuditReport& report) { ZipAudit(zip, report).run(); }

}  // namespace torchship
