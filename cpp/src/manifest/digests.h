#pragma once

#include <string>

#include "archive/zip.h"
#include "manifest/manifest.h"

namespace torchship {

/// Compares every record of the zip with its SHA-256 in the manifest; none may be missing, or be
/// there without one. `folder` is the one that all records are in. Throws ArchiveError naming the
/// first bad one, in the order of the file. Large files are read by several threads.
void verify_digests(const ZipReader& zip, const std::string& folder, const Manifest& manifest);

/// The same by the checksums of the zip file itself.
void verify_sums(const ZipReader& zip);

}  // namespace torchship
