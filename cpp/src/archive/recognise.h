#pragma once

#include "archive/file.h"
#include "archive/zip.h"

namespace torchship {

/// Refuses a file that is no zip archive, saying what it seems to be and what to do instead.
/// Throws ArchiveError always when it is not one.
void require_zip(const File& file);

/// Refuses a zip archive that is no TorchScript archive, in the same way. Returns the folder that
/// all its records are in: TorchScript archives have exactly one.
std::string require_torchscript(const ZipReader& zip);

}  // namespace torchship
