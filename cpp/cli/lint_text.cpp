#include <algorithm>
#include <string_view>

#include "lint.h"
#include "printable.h"

namespace torchship::cli {
namespace {

std::string paint(const std::string& text, std::string_view code, bool colour) {
  return colour ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
}

std::string_view colour_of(std::string_view severity) {
  return severity == "error" ? "1;31" : severity == "warning" ? "1;33" : "1;36";
}

/// "forward, encoder.layers.0, net.py:12"
std::string where(const Finding& finding) {
  std::string text;
  const auto add = [&](const std::string& part) {
    text += (text.empty() || part.empty() ? "" : ", ") + part;
  };
  add(finding.method);
  add(finding.place);
  if (!finding.file.empty()) {
    add(finding.file + (finding.line > 0 ? ":" + std::to_string(finding.line) : ""));
  }
  return text;
}

std::string describe(const Finding& finding, bool colour) {
  const std::string& severity = finding.severity;
  std::string text = "\n" + paint(printable(severity), colour_of(severity), colour) + " " +
                     paint(printable(finding.code), "1", colour);
  const std::string place = where(finding);
  text += (place.empty() ? "" : "  " + printable(place)) + "\n";
  if (!finding.source.empty()) text += "    | " + printable(finding.source) + "\n";
  text += "    " + printable(finding.message) + "\n";
  if (!finding.hint.empty()) text += "    -> " + printable(finding.hint) + "\n";
  return text;
}

std::string count(const std::vector<Finding>& findings, std::string_view severity) {
  const auto number = std::count_if(findings.begin(), findings.end(), [&](const Finding& found) {
    return found.severity == severity;
  });
  return std::to_string(number) + " " + std::string(severity) + (number == 1 ? "" : "s");
}

}  // namespace

std::string describe_findings(const std::vector<Finding>& findings, bool colour) {
  if (findings.empty()) return "nothing found\n";
  std::string text;
  for (const Finding& finding : findings) text += describe(finding, colour);
  return text + "\n" + count(findings, "error") + ", " + count(findings, "warning") + ", " +
         count(findings, "note") + "\n";
}

}  // namespace torchship::cli
