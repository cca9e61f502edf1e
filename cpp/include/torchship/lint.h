#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <torchship/export.h>
#include <torchship/info.h>
#include <torchship/source.h>

namespace torchship {

struct LintOptions {
  /// Findings to leave out: a code ("random"), or a code and a place ("random@decoder.sampler",
  /// "random@net.py:12", "large-constant@c0").
  std::vector<std::string> ignore = {};
  /// Look for what a file from a stranger must not have as well; docs/audit.md.
  bool audit = false;
};

/// What is wrong or dangerous with an archive, found without running any of its code: hazards first
/// by severity, then in the order of the file. docs/lint.md lists the codes. What the tracer found
/// and the manifest holds is in it too. Throws ArchiveError when the file is no model.
TORCHSHIP_EXPORT std::vector<Finding> lint(const Source& archive, const LintOptions& options = {});

/// Whether a severity ("note" < "warning" < "error") is at least `level`.
TORCHSHIP_EXPORT bool at_least(std::string_view severity, std::string_view level) noexcept;

/// Makes the operators of a shared library known to this process: loads it for good. Registration is
/// LibTorch's own, and process-wide. Throws ArchiveError naming the file when it cannot be loaded.
TORCHSHIP_EXPORT void load_operator_library(const std::filesystem::path& library);

}  // namespace torchship
