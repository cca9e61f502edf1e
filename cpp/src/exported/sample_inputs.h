#pragma once

#include <optional>
#include <vector>

#include <torchship/value.h>

#include "exported/program_archive.h"

namespace torchship {

/// A call of a model: arguments by position, then those by name.
struct SampleCall {
  std::vector<Value> positional;
  NamedValues named;
};

/// The example inputs that torch.export.save writes beside a program; nothing where there are none, or
/// they hold objects that are no plain values. Throws ArchiveError where they are damaged.
std::optional<SampleCall> read_sample_inputs(const ProgramArchive& archive);

/// Whether there are any; no tensor is loaded.
bool has_sample_inputs(const ProgramArchive& archive);

}  // namespace torchship
