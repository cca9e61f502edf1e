#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>

namespace torchship::cli {

struct LintCommand {
  std::string archive;
  std::string deny;                 ///< "note", "warning" or "error"; empty: nothing is denied.
  std::vector<std::string> ignore;  ///< As in LintOptions.
  std::vector<std::string> operator_libraries;
  bool audit = false;
  bool json = false;
};

/// Whether no finding is denied.
bool run_lint(const LintCommand& options);

/// The findings for people: each with its reason, its line, and what to do; then how many there
/// are. `colour` puts the severities in colour.
std::string describe_findings(const std::vector<Finding>& findings, bool colour);

}  // namespace torchship::cli
