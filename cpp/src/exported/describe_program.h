#pragma once

#include <torchship/info.h>

#include "exported/boundary.h"
#include "exported/stored_tensor.h"

namespace torchship {

/// What a program says of itself: its method, and its modules with their sizes.
ModelInfo describe_program(const ExportedProgram& program, const ProgramBoundary& boundary,
                           const StoredTensors& tensors);

}  // namespace torchship
