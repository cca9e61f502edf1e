#pragma once

#include <memory>

#include <torch/csrc/jit/api/module.h>
#include <torchship/model.h>

#include "engines/engine.h"

namespace torchship {

/// Runs a TorchScript module in LibTorch's interpreter: one call of LibTorch for each operator.
///
/// Each method is frozen, given the kernels of kernels/ where it runs on the CPU, and goes to the
/// interpreter directly, past LibTorch's profiling executor: its first call costs what every call
/// costs, and no process-wide switch is touched.
/// Throws ArchiveError when a described method is not in the module.
std::unique_ptr<const Engine> make_interpreter(torch::jit::Module module, const ModelInfo& info,
                                               const LoadOptions& options);

}  // namespace torchship
