#include "audit/report.h"

#include <algorithm>

#include "torchscript/source.h"

namespace torchship {
namespace {

constexpr std::size_t kMostFindings = 1000;  ///< A file made to deceive may have any number.

Finding finding(std::string code, const char* severity, std::string place, std::string message,
                std::string hint) {
  Finding made;
  made.code = std::move(code);
  made.severity = severity;
  made.place = std::move(place);
  made.message = std::move(message);
  made.hint = std::move(hint);
  return made;
}

}  // namespace

Finding& AuditReport::error(std::string code, std::string place, std::string message,
                            std::string hint) {
  if (findings_.size() >= kMostFindings) return findings_.back();
  findings_.push_back(finding(std::move(code), "error", std::move(place), std::move(message),
                              std::move(hint)));
  return findings_.back();
}

Finding& AuditReport::note(std::string code, std::string place, std::string message,
                           std::string hint) {
  // Notes leave room for errors.
  if (findings_.size() >= kMostFindings / 2) return findings_.back();
  findings_.push_back(finding(std::move(code), "note", std::move(place), std::move(message),
                              std::move(hint)));
  return findings_.back();
}

void AuditReport::error_at(const torch::jit::SourceRange& range, std::string code,
                           std::string place, std::string message, std::string hint) {
  add_at(range, finding(std::move(code), "error", std::move(place), std::move(message),
                        std::move(hint)));
}

void AuditReport::warning_at(const torch::jit::SourceRange& range, std::string code,
                             std::string place, std::string message, std::string hint) {
  add_at(range, finding(std::move(code), "warning", std::move(place), std::move(message),
                        std::move(hint)));
}

void AuditReport::add_at(const torch::jit::SourceRange& range, Finding finding) {
  UserLine line = find_user_line(range);
  if (line.file.empty()) {
    if (const auto where = range.file_line_col()) {
      line.file = std::get<0>(*where);
      line.line = static_cast<std::int64_t>(std::get<1>(*where));
      line.text = std::string();
    }
  }
  finding.file = std::move(line.file);
  finding.line = line.line;
  finding.source = std::move(line.text);
  // One finding for one line: a loop over parameters says the same many times.
  for (const Finding& known : findings_) {
    if (known.code == finding.code && known.file == finding.file && known.line == finding.line &&
        known.message == finding.message) {
      return;
    }
  }
  if (findings_.size() < kMostFindings) findings_.push_back(std::move(finding));
}

bool AuditReport::has_errors() const {
  return std::any_of(findings_.begin(), findings_.end(),
                     [](const Finding& found) { return found.severity == "error"; });
}

}  // namespace torchship
