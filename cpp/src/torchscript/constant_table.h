#pragma once

#include <vector>

#include <ATen/core/ivalue.h>

#include "torchscript/torchscript_file.h"

namespace torchship {

/// What the code calls CONSTANTS.c0, c1, ...: texts as they are, tensors without their bytes,
/// objects of operator libraries as empty ones. For compiling code that is looked at and never run.
/// The file has passed guard_torchscript(). Throws ArchiveError.
std::vector<c10::IValue> constant_table(const TorchScriptFile& file);

}  // namespace torchship
