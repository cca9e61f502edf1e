#pragma once

#include <string>

#include "archive/zip.h"
#include "manifest/manifest.h"

namespace torchship {

/// Compares every record of the zip with its SHA-256 in the manifest; none may be missing, or be
/// there without one. `folder` is the one that all records are in. Throws ArchiveError.
void verify_digests(const ZipReader& zip, const std::string& folder, const Manifest& manifest);

}  // namespace torchship
