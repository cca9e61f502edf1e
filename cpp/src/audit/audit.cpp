#include "audit/audit.h"

#include <torchship/error.h>

#include "torchscript/message.h"

namespace torchship {
namespace {

void audit_graphs(const TorchScriptFile& file, AuditReport& report) {
  const CompiledCode code(file, file.info().format_version);
  for (const CompiledUnit& unit : code.units()) {
    if (unit.error.empty()) continue;
    report.error("audit-unjudged", unit.source.name,
                 "it cannot be judged, because it cannot be compiled here: " + unit.error,
                 "load the library with its operators (operator_libraries), if you trust that library");
  }
  audit_operators(code, report);
  audit_sizes(code, report);
}

}  // namespace

AuditReport audit_torchscript(const TorchScriptFile& file) {
  AuditReport report;
  audit_zip(file.zip(), report);
  if (report.is_readable()) audit_records(file.zip(), file.folder(), report);
  if (report.is_readable()) audit_pickles(file, report);
  if (report.is_readable()) audit_tokens(file, report);
  if (report.is_readable()) audit_compile_time(file, report);
  if (!report.is_readable()) return report;
  try {
    audit_graphs(file, report);
  } catch (const Error&) {
    if (!report.has_errors()) throw;  // Else the errors that were found say more.
    report.forbid_reading();
  } catch (const std::exception& error) {
    report.error("audit-unjudged", "code", "it cannot be judged: " + explain(error).text,
                 "do not load it unless you trust its source");
    report.forbid_reading();
  }
  return report;
}

void require_audited(const AuditReport& report, const std::string& path) {
  const Finding* first = nullptr;
  std::size_t more = 0;
  for (const Finding& found : report.findings()) {
    if (found.severity != "error") continue;
    more += first != nullptr ? 1 : 0;
    first = first != nullptr ? first : &found;
  }
  if (first == nullptr) return;
  std::string where = first->file.empty() ? first->place
                                          : first->file + ":" + std::to_string(first->line);
  throw ArchiveError(path + ": refused by the strict policy: " + first->code + ": " +
                         (where.empty() ? "" : where + ": ") + first->message +
                         (more > 0 ? "; and " + std::to_string(more) + " more" : ""),
                     "torchship lint --audit " + path + " lists them");
}

}  // namespace torchship
