#pragma once

#include <string>
#include <unordered_map>

#include <torch/csrc/jit/api/module.h>

#include "engines/program.h"
#include "engines/replicas.h"
#include "engines/results.h"

namespace torchship {

/// Whether a call may change what the module holds: an attribute, or a tensor of one in place.
/// Errs on the side of yes.
bool writes_state(const Recorded& recorded);

/// The storages of every tensor that the module or the code of its methods holds.
Storages storages_of(const torch::jit::Module& module,
                     const std::unordered_map<std::string, ReplicatedProgram>& programs);

}  // namespace torchship
