#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/crc32.h"
#include "archive/little_endian.h"

// LibTorch exports its copy of miniz, but ships no header for it.
extern "C" std::size_t tdefl_compress_mem_to_mem(void* out, std::size_t out_length, const void* in,
                                                 std::size_t in_length, int flags);

namespace torchship::test {

inline std::string deflated(const std::string& bytes) {
  constexpr int kProbes = 128;
  std::string out(bytes.size() + 64, '\0');
  out.resize(
      tdefl_compress_mem_to_mem(out.data(), out.size(), bytes.data(), bytes.size(), kProbes));
  return out;
}

/// A record as the builder writes it, right or wrong.
struct ZipRecord {
  std::string name;
  std::string data;  ///< As it lies in the file.
  std::uint32_t size = 0;
  std::uint32_t crc = 0;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::string local_extra = {};
  std::string extra = {};
  bool sizes_later = false;  ///< Zeros in the local header and a data descriptor, as PyTorch does.
  std::optional<std::string> local_name = {};
};

inline ZipRecord stored(std::string name, const std::string& data) {
  return {.name = std::move(name),
          .data = data,
          .size = static_cast<std::uint32_t>(data.size()),
          .crc = crc32(data)};
}

inline ZipRecord compressed(std::string name, const std::string& data) {
  ZipRecord record = stored(std::move(name), data);
  record.data = deflated(data);
  record.method = 8;
  return record;
}

template <typename... T>
std::string packed(T... values) {
  return (std::string() + ... + little_bytes(values));
}

inline std::string header_fields(const ZipRecord& record, bool local) {
  const bool later = local && record.sizes_later;
  const auto flags = static_cast<std::uint16_t>(record.flags | (record.sizes_later ? 8 : 0));
  const auto compressed_size = static_cast<std::uint32_t>(record.data.size());
  const std::string& name = local && record.local_name ? *record.local_name : record.name;
  const std::string& extra = local ? record.local_extra : record.extra;
  return packed(std::uint16_t{20}, flags, record.method, std::uint32_t{0}, later ? 0 : record.crc,
                later ? 0 : compressed_size, later ? 0 : record.size,
                static_cast<std::uint16_t>(name.size()), static_cast<std::uint16_t>(extra.size()));
}

/// The end of a zip file; with `zip64`, the 32-bit fields are all ones.
inline std::string zip_end(std::uint64_t start, std::uint64_t size, std::uint64_t count,
                           bool zip64) {
  std::string end;
  if (zip64) {
    end = packed(std::uint32_t{0x06064b50}, std::uint64_t{44}, std::uint32_t{0}, std::uint64_t{0},
                 count, count, size, start) +
          packed(std::uint32_t{0x07064b50}, std::uint32_t{0}, start + size, std::uint32_t{1});
  }
  const auto count16 = static_cast<std::uint16_t>(zip64 ? 0xffff : count);
  return end + packed(std::uint32_t{0x06054b50}, std::uint32_t{0}, count16, count16,
                      static_cast<std::uint32_t>(zip64 ? 0xffffffff : size),
                      static_cast<std::uint32_t>(zip64 ? 0xffffffff : start), std::uint16_t{0});
}

inline std::string zip_of(const std::vector<ZipRecord>& records, bool zip64 = false) {
  std::string file;
  std::string directory;
  for (const ZipRecord& record : records) {
    const auto offset = static_cast<std::uint32_t>(file.size());
    file += packed(std::uint32_t{0x04034b50}) + header_fields(record, /*local=*/true) +
            record.local_name.value_or(record.name) + record.local_extra + record.data;
    if (record.sizes_later) {
      file += packed(std::uint32_t{0x08074b50}, record.crc,
                     static_cast<std::uint32_t>(record.data.size()), record.size);
    }
    directory += packed(std::uint32_t{0x02014b50}, std::uint16_t{20}) +
                 header_fields(record, /*local=*/false) +
                 packed(std::uint32_t{0}, std::uint16_t{0}, std::uint32_t{0}, offset) +
                 record.name + record.extra;
  }
  return file + directory + zip_end(file.size(), directory.size(), records.size(), zip64);
}

}  // namespace torchship::test
