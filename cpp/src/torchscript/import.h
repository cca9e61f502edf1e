#pragma once

#include <cstdint>

#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include "torchscript/torchscript_file.h"

namespace torchship {

/// What torch::jit::load() does, with the weights left where they are: where the file is mapped,
/// storages of the CPU lie in a mapping of this module's own, and keep it. Records that are
/// deflated, or do not start at an address that is a multiple of 64, are copied, as all are where
/// the file is not mapped.
///
/// Trusts the file as LibTorch does: guard_torchscript() comes before. Throws ArchiveError, or what
/// LibTorch throws.
torch::jit::Module import_module(const TorchScriptFile& file, std::int64_t version,
                                 const at::Device& device);

}  // namespace torchship
