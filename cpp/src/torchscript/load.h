#pragma once

#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include "torchscript/torchscript_file.h"

namespace torchship {

/// Loads a TorchScript archive that guard_torchscript() let pass to a device, in eval mode; of
/// `version` of the file format. See import_module(). Throws ArchiveError with LibTorch's reason in
/// one line.
torch::jit::Module load_module(const TorchScriptFile& file, std::int64_t version,
                               const at::Device& device);

}  // namespace torchship
