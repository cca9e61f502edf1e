#pragma once

#include <vector>

#include <torchship/info.h>

#include "exported/boundary.h"
#include "exported/program_archive.h"

namespace torchship {

/// What is wrong with a program beyond what it says of itself (docs/lint.md), in the order of the
/// file. No weight is read but to compare those alike, and nothing is run. Throws ArchiveError.
std::vector<Finding> lint_program(const ProgramArchive& archive, const ExportedProgram& program,
                                  const ProgramBoundary& boundary, const StoredTensors& tensors,
                                  const ModelInfo& info);

}  // namespace torchship
