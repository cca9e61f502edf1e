#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include "exported/boundary.h"
#include "exported/program.h"
#include "exported/stored_tensor.h"

namespace torchship {

/// A program as a TorchScript module: its weights as parameters and buffers under their own names, its
/// graph as the method `forward`. What runs TorchScript then runs it, and can save it.
///
/// Control flow becomes TorchScript's; assertions become errors that are raised; mutations of buffers
/// and inputs are written back where the program says so. Operators are the very overloads that the
/// program names. `weights` are on their device. `place` begins messages. Throws ArchiveError.
torch::jit::Module lower_program(const ExportedProgram& program, const ProgramBoundary& boundary,
                                 const std::map<std::string, at::Tensor>& weights,
                                 const std::string& place);

/// The same for who wants the graph alone, which does not depend on what weights hold: no weight is
/// read.
torch::jit::Module lower_without_weights(const ExportedProgram& program,
                                         const ProgramBoundary& boundary,
                                         const StoredTensors& tensors, const std::string& place);

}  // namespace torchship
