#pragma once

#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include "archive/file.h"

namespace torchship {

/// Loads a TorchScript archive to a device, in eval mode. Throws ArchiveError with LibTorch's
/// reason in one line.
torch::jit::Module load_module(const File& file, const at::Device& device);

}  // namespace torchship
