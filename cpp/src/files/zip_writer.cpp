#include "files/zip_writer.h"

#include <algorithm>

#include <torchship/error.h>

#include "archive/crc32.h"
#include "archive/little_endian.h"
#include "archive/text.h"
#include "archive/zip_format.h"

namespace torchship {
namespace {

using namespace zip_format;

constexpr std::uint16_t kVersion = 20;
constexpr std::uint16_t kVersion64 = 45;
/// 1 January 1980, midnight: the earliest time a zip file can hold.
constexpr std::uint32_t kTime = 0x00210000;

template <typename... T>
std::string fields(T... values) {
  return (little_bytes(values) + ...);
}

/// What a 32-bit field holds: all ones stand for "see the zip64 field".
std::uint32_t narrow(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 0xffffffff));
}

bool is_wide(std::uint64_t value) { return value >= 0xffffffff; }

/// The zip64 field with those values that do not fit in 32 bits; empty if all do.
std::string zip64_extra(std::initializer_list<std::uint64_t> values) {
  std::string data;
  for (const std::uint64_t value : values) {
    if (is_wide(value)) data += little_bytes(value);
  }
  return data.empty() ? data : fields(kZip64Field, static_cast<std::uint16_t>(data.size())) + data;
}

/// The part that local headers and directory entries share, from the version to the name's length.
std::string common_header(const std::string& name, std::uint64_t size, std::uint32_t sum,
                          bool wide) {
  const std::uint16_t flags = is_ascii(name) ? 0 : kNamesAreUtf8;
  return fields(wide ? kVersion64 : kVersion, flags, kStored, kTime, sum, narrow(size),
                narrow(size), static_cast<std::uint16_t>(name.size()));
}

}  // namespace

void ZipWriter::add(const std::string& name, std::initializer_list<std::string_view> parts) {
  const std::string_view fault = zip_name_fault(name);
  if (!fault.empty() || name.size() > 0xffff) {
    throw ArchiveError(out_.path().string() + ": record " + quote(name) + " " +
                       std::string(fault.empty() ? "has too long a name" : fault));
  }
  std::uint64_t size = 0;
  std::uint32_t sum = 0;
  for (const std::string_view part : parts) {
    size += part.size();
    sum = crc32(part, sum);
  }
  const std::uint64_t offset = offset_;
  const std::string local_extra = zip64_extra({size, size});
  write(fields(kLocalSignature) + common_header(name, size, sum, !local_extra.empty()) +
        fields(static_cast<std::uint16_t>(local_extra.size())) + name + local_extra);
  for (const std::string_view part : parts) write(part);

  const std::string extra = zip64_extra({size, size, offset});
  directory_ += fields(kEntrySignature, extra.empty() ? kVersion : kVersion64) +
                common_header(name, size, sum, !extra.empty()) +
                fields(static_cast<std::uint16_t>(extra.size()), std::uint16_t{0}, std::uint16_t{0},
                       std::uint16_t{0}, std::uint32_t{0}, narrow(offset)) +
                name + extra;
  ++count_;
}

void ZipWriter::finish() {
  const std::uint64_t start = offset_;
  const std::uint64_t size = directory_.size();
  write(directory_);
  if (count_ >= 0xffff || is_wide(start) || is_wide(size)) {
    const std::uint64_t end64 = offset_;
    write(fields(kEnd64Signature, std::uint64_t{kEnd64Size - kEnd64Lead}, kVersion64, kVersion64,
                 std::uint32_t{0}, std::uint32_t{0}, count_, count_, size, start));
    write(fields(kLocatorSignature, std::uint32_t{0}, end64, std::uint32_t{1}));
  }
  const auto count = static_cast<std::uint16_t>(std::min<std::uint64_t>(count_, 0xffff));
  write(fields(kEndSignature, std::uint32_t{0}, count, count, narrow(size), narrow(start),
               std::uint16_t{0}));
}

void ZipWriter::write(std::string_view bytes) {
  out_.write(bytes);
  offset_ += bytes.size();
}

}  // namespace torchship
