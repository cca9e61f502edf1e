#include "manifest/digests.h"

#include <torchship/error.h>

#include "archive/sha256.h"
#include "archive/text.h"

namespace torchship {
namespace {

[[noreturn]] void refuse(const ZipReader& zip, const std::string& record, const std::string& what) {
  throw ArchiveError(zip.file().path().string() + ": record " + quote(record) + " " + what,
                     "The file is damaged or was changed: copy or download it again.");
}

}  // namespace

void verify_digests(const ZipReader& zip, const std::string& folder, const Manifest& manifest) {
  for (const auto& [name, digest] : manifest.records) {
    if (zip.find(folder + name) == nullptr) refuse(zip, name, "is missing");
  }
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(folder.size());
    const auto listed = manifest.records.find(name);
    if (listed == manifest.records.end()) {
      if (name != kManifestRecord) refuse(zip, name, "is not listed in the manifest");
      continue;
    }
    Sha256 sum;
    zip.stream(entry, [&](std::string_view bytes) { sum.update(bytes); });
    if (sum.finish() != listed->second) {
      refuse(zip, name, "is damaged: its SHA-256 is not the one in the manifest");
    }
  }
}

}  // namespace torchship
