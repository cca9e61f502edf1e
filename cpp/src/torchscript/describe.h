#pragma once

#include <torchship/info.h>

namespace torchship {

class TorchScriptFile;

/// Reads signature, methods and sizes from the archive's descriptions and code texts. Path and file
/// size are left to the caller. Throws ArchiveError.
ModelInfo describe_torchscript(const TorchScriptFile& file);

}  // namespace torchship
