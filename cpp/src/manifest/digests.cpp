#include "manifest/digests.h"

#include <cstdint>
#include <vector>

#include <torchship/error.h>

#include "archive/crc32.h"
#include "archive/each_by_size.h"
#include "archive/sha256.h"
#include "archive/text.h"

namespace torchship {
namespace {

// A core digests 2 MB in a millisecond. Sums are memory's work more than a core's, and others load
// the model meanwhile.
constexpr std::uint64_t kDigestsAThread = 2 << 20;
constexpr std::uint64_t kSumsAThread = 64 << 20;

[[noreturn]] void refuse(const ZipReader& zip, const std::string& record, const std::string& what) {
  throw ArchiveError(zip.file().path().string() + ": record " + quote(record) + " " + what,
                     "The file is damaged or was changed: copy or download it again.");
}

/// The record's SHA-256. Its CRC would tell nothing more, so it is left out.
std::string digest_of(const ZipReader& zip, const ZipEntry& entry, std::span<const char> file) {
  Sha256 sum;
  if (const auto bytes = zip.view(entry, file)) {
    sum.update(*bytes);
  } else {
    zip.stream_unchecked(entry, [&](std::string_view piece) { sum.update(piece); });
  }
  return sum.finish();
}

std::vector<std::uint64_t> sizes_of(const ZipReader& zip) {
  std::vector<std::uint64_t> sizes;
  for (const ZipEntry& entry : zip.entries()) sizes.push_back(entry.size);
  return sizes;
}

}  // namespace

void require_listed(const ZipReader& zip, const std::string& folder, const Manifest& manifest) {
  for (const auto& [name, digest] : manifest.records) {
    if (zip.find(folder + name) == nullptr) refuse(zip, name, "is missing");
  }
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(folder.size());
    if (name != kManifestRecord && !manifest.records.contains(name)) {
      refuse(zip, name, "is not listed in the manifest");
    }
  }
}

void verify_digests(const ZipReader& zip, const std::string& folder, const Manifest& manifest) {
  const std::span<const char> file = zip.file().bytes();
  each_by_size(sizes_of(zip), kDigestsAThread, [&](std::size_t index) {
    const ZipEntry& entry = zip.entries()[index];
    const std::string name = entry.name.substr(folder.size());
    const auto listed = manifest.records.find(name);
    if (listed != manifest.records.end() && digest_of(zip, entry, file) != listed->second) {
      refuse(zip, name, "is damaged: its SHA-256 is not the one in the manifest");
    }
  });
}

void require_digest(const ZipReader& zip, const ZipEntry& entry, const std::string& digest) {
  if (digest_of(zip, entry, zip.file().bytes()) == digest) return;
  refuse(zip, entry.name, "is damaged: its SHA-256 is not the one in the manifest");
}

void verify_sums(const ZipReader& zip) {
  const std::span<const char> file = zip.file().bytes();
  each_by_size(sizes_of(zip), kSumsAThread, [&](std::size_t index) {
    const ZipEntry& entry = zip.entries()[index];
    if (const auto bytes = zip.view(entry, file)) {
      zip.check_sum(entry, crc32(*bytes));
    } else {
      zip.stream(entry, [](std::string_view) {});
    }
  });
}

}  // namespace torchship
