#pragma once

#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/jit/frontend/source_range.h>
#include <torchship/info.h>

namespace torchship {

/// What the audit found, in the order of the file.
class AuditReport {
 public:
  /// `place` is the record, class or module; `hint` says what to do.
  Finding& error(std::string code, std::string place, std::string message, std::string hint);
  Finding& note(std::string code, std::string place, std::string message, std::string hint);
  /// These with the user's line, or that of the code where the archive does not tell.
  void error_at(const torch::jit::SourceRange& range, std::string code, std::string place,
                std::string message, std::string hint);
  void warning_at(const torch::jit::SourceRange& range, std::string code, std::string place,
                  std::string message, std::string hint);

  /// From here on nothing of the file may be read or compiled: doing so would do the harm.
  void forbid_reading() { readable_ = false; }

  bool is_readable() const { return readable_; }
  bool has_errors() const;
  const std::vector<Finding>& findings() const { return findings_; }
  std::vector<Finding> take() { return std::move(findings_); }

 private:
  void add_at(const torch::jit::SourceRange& range, Finding finding);

  std::vector<Finding> findings_;
  bool readable_ = true;
};

}  // namespace torchship
