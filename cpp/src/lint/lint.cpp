#include <torchship/lint.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "archive/text.h"
#include "model_file.h"

namespace torchship {
namespace {

constexpr std::array<std::string_view, 3> kSeverities = {"note", "warning", "error"};

std::size_t rank(std::string_view severity) noexcept {
  const auto* found = std::find(kSeverities.begin(), kSeverities.end(), severity);
  return static_cast<std::size_t>(found - kSeverities.begin());
}

/// "net.py" for "/home/me/net.py".
std::string_view file_name(std::string_view path) {
  return path.substr(path.find_last_of("/\\") + 1);
}

/// Whether "code" or "code@place" names a finding.
bool names(std::string_view wanted, const Finding& finding) {
  const std::size_t at = wanted.find('@');
  if (wanted.substr(0, at) != finding.code) return false;
  if (at == std::string_view::npos) return true;
  const std::string_view place = wanted.substr(at + 1);
  const std::string line = ":" + std::to_string(finding.line);
  return place == finding.place || (!finding.file.empty() &&
                                    (place == finding.file + line ||
                                     place == std::string(file_name(finding.file)) + line));
}

/// The tracer and the linter may find the same; the tracer knows the text of the line.
bool same(const Finding& one, const Finding& other) {
  if (one.code != other.code) return false;
  if (one.file.empty() && other.file.empty()) return one.method == other.method;
  return one.line == other.line && file_name(one.file) == file_name(other.file);
}

/// Names out of a file may be any bytes: what is no text, or controls a terminal, is spelt out.
void clean(std::string& text) {
  if (is_utf8(text) && !has_control_characters(text)) return;
  const bool keep_letters = is_utf8(text);
  std::string spelt;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !keep_letters)) {
      spelt += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    } else {
      spelt += letter;
    }
  }
  text = std::move(spelt);
}

void clean(Finding& finding) {
  for (std::string* text : {&finding.message, &finding.hint, &finding.method, &finding.place,
                            &finding.file, &finding.source}) {
    clean(*text);
  }
}

/// All but the audit's.
std::vector<Finding> ordinary(const ModelFile& file, const LintOptions& options) {
  const ModelInfo info = file.info();
  std::vector<Finding> findings = info.findings;
  for (Finding& found : file.lint(info, options)) {
    const auto known = [&](const Finding& other) { return same(found, other); };
    if (std::none_of(info.findings.begin(), info.findings.end(), known)) {
      clean(found);
      findings.push_back(std::move(found));
    }
  }
  return findings;
}

}  // namespace

bool at_least(std::string_view severity, std::string_view level) noexcept {
  return rank(severity) >= rank(level);
}

std::vector<Finding> lint(const Source& archive, const LintOptions& options) {
  const std::unique_ptr<const ModelFile> file = open_model(archive);
  AuditReport report = options.audit ? file->audit() : AuditReport();
  std::vector<Finding> findings = report.is_readable() ? ordinary(*file, options)
                                                       : std::vector<Finding>();
  for (Finding& found : report.take()) {
    clean(found);
    findings.push_back(std::move(found));
  }
  std::erase_if(findings, [&](const Finding& finding) {
    return std::any_of(options.ignore.begin(), options.ignore.end(),
                       [&](const std::string& wanted) { return names(wanted, finding); });
  });
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return rank(a.severity) > rank(b.severity);
  });
  return findings;
}

}  // namespace torchship
