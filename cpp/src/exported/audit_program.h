#pragma once

#include "audit/report.h"
#include "exported/boundary.h"
#include "exported/program_archive.h"

namespace torchship {

/// Looks for what a file from a stranger must not have (docs/audit.md): a program is a graph of
/// operators, all of which must be on the allow-list, and holds no code. Nothing is run or unpickled.
/// Throws ArchiveError where even the ordinary reader refuses the file.
AuditReport audit_program(const ProgramArchive& archive, const ExportedProgram& program,
                          const ProgramBoundary& boundary, const StoredTensors& tensors);

}  // namespace torchship
