#pragma once

#include <string>
#include <vector>

#include "exported/program.h"

namespace torchship {

/// An operator that a program calls and this process does not have.
struct MissingOperator {
  std::string name;  ///< "torchvision::nms"
  std::size_t calls = 0;
  std::vector<std::string> stack_traces;  ///< Of the calls, as far as the program has them.
};

/// All of them, in the order of the program.
std::vector<MissingOperator> missing_operators(const ExportedProgram& program);

/// What to do about one.
std::string missing_operator_hint(const std::string& name);

/// Throws ArchiveError, which `place` begins, with the names of all that are missing.
void require_operators(const ExportedProgram& program, const std::string& place);

}  // namespace torchship
