#pragma once

#include <vector>

#include <torchship/info.h>
#include <torchship/lint.h>

namespace torchship {

class TorchScriptFile;

/// What is wrong with a TorchScript archive, in the order of the rules and of the file. Nothing of
/// it is run. Throws ArchiveError.
std::vector<Finding> lint_torchscript(const TorchScriptFile& file, const ModelInfo& info,
                                      const LintOptions& options);

}  // namespace torchship
