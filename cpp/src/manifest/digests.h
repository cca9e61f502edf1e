#pragma once

#include <string>

#include "archive/zip.h"
#include "manifest/manifest.h"

namespace torchship {

/// Throws ArchiveError unless the zip and the manifest have the same records. `folder` is the one that
/// all records of the zip are in.
void require_listed(const ZipReader& zip, const std::string& folder, const Manifest& manifest);

/// Compares every record of the zip that the manifest lists with its SHA-256 there. Throws
/// ArchiveError naming the first bad one, in the order of the file. Large files are read by several
/// threads.
void verify_digests(const ZipReader& zip, const std::string& folder, const Manifest& manifest);

/// Compares one record with the SHA-256 that it must have. Throws ArchiveError.
void require_digest(const ZipReader& zip, const ZipEntry& entry, const std::string& digest);

/// Compares every record with its checksum in the zip file itself.
void verify_sums(const ZipReader& zip);

}  // namespace torchship
