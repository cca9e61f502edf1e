#include "lint.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include <torchship/lint.h>

#include "json/json.h"
#include "load_arguments.h"
#include "printable.h"

namespace torchship::cli {
namespace {

bool wants_colour() {
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool refused = no_colour != nullptr && *no_colour != '\0';
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return isatty(STDOUT_FILENO) == 1 && !refused && !dumb;
}

void print_json(const LintCommand& options, const std::vector<Finding>& findings, bool passed) {
  nlohmann::ordered_json counts = nlohmann::ordered_json::object();
  for (const char* severity : {"error", "warning", "note"}) {
    counts[severity] = std::count_if(findings.begin(), findings.end(), [&](const Finding& found) {
      return found.severity == severity;
    });
  }
  const nlohmann::ordered_json object = {{"path", archive_name(options.archive)},
                                         {"passed", passed},
                                         {"counts", counts},
                                         {"findings", to_json(findings)}};
  std::cout << to_text(object) << '\n';
}

}  // namespace

bool run_lint(const LintCommand& options) {
  for (const std::string& library : options.operator_libraries) load_operator_library(library);
  const std::vector<Finding> findings =
      lint(archive_source(options.archive), {.ignore = options.ignore, .audit = options.audit});
  const bool passed =
      options.deny.empty() ||
      std::none_of(findings.begin(), findings.end(), [&](const Finding& found) {
        return at_least(found.severity, options.deny);
      });
  if (options.json) {
    print_json(options, findings, passed);
  } else {
    std::cout << printable(archive_name(options.archive)) << '\n'
              << describe_findings(findings, wants_colour());
  }
  return passed;
}

}  // namespace torchship::cli
