#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>

#include "exported/program.h"
#include "pytree/pytree.h"

namespace torchship {

/// How a program is called: arguments and result are trees, whose leaves are the graph's inputs and
/// outputs in order.
struct ProgramBoundary {
  std::vector<Pytree> inputs;  ///< One for each argument of the method.
  Pytree output;
  MethodInfo method;           ///< "forward", with all that the program promises.
};

/// Puts what the program says of its call together: trees, names, dtypes, sizes and their ranges.
/// `place` begins messages. Throws ArchiveError.
ProgramBoundary boundary_of(const ExportedProgram& program, const std::string& place);

}  // namespace torchship
