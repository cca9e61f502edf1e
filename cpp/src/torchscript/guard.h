#pragma once

#include "torchscript/torchscript_file.h"

namespace torchship {

/// LibTorch trusts what it loads: from a damaged file, or one made to deceive, it reads and writes
/// memory that is not its own, or goes on without end. This refuses such files before it sees them:
/// values, code and source positions. Throws ArchiveError.
void guard_torchscript(const TorchScriptFile& file);

}  // namespace torchship
