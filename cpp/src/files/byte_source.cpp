#include "files/byte_source.h"

#include <cstring>
#include <utility>

#include <torchship/error.h>

namespace torchship {
namespace {

void check_range(const std::string& name, std::uint64_t size, std::uint64_t offset,
                 std::uint64_t length) {
  if (offset > size || length > size - offset) {
    throw ArchiveError(name + ": ends at byte " + std::to_string(size) + ", but " +
                           std::to_string(length) + " bytes are needed at " +
                           std::to_string(offset),
                       "It is cut short or damaged: copy or download it again.");
  }
}

}  // namespace

std::string ByteSource::text(std::uint64_t offset, std::uint64_t length) const {
  check_range(name, size, offset, length);
  std::string bytes(length, '\0');
  read(offset, std::span<char>(bytes));
  return bytes;
}

ByteSource byte_source(const File& file) {
  return {.name = file.path().string(),
          .size = file.size(),
          .read = [&file](std::uint64_t offset, std::span<char> out) { file.read(offset, out); }};
}

ByteSource byte_source(std::string_view bytes, std::string name) {
  auto read = [bytes, name](std::uint64_t offset, std::span<char> out) {
    check_range(name, bytes.size(), offset, out.size());
    if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
  };
  return {.name = std::move(name), .size = bytes.size(), .read = std::move(read)};
}

}  // namespace torchship
