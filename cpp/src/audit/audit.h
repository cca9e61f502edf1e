#pragma once

#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/info.h>

#include "audit/report.h"
#include "torchscript/compiled_code.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

/// Looks for what a file from a stranger must not have (docs/audit.md). Nothing of the file is run
/// or unpickled; its code is compiled only when what is seen before allows it. Throws ArchiveError
/// where even the ordinary reader refuses the file.
AuditReport audit_torchscript(const TorchScriptFile& file);

/// Throws ArchiveError with the first error of a report and how many more there are.
void require_audited(const AuditReport& report, const std::string& path);

// The families, each in its own file, in the order in which they are asked.

/// Where records lie, and what lies between them; how much they inflate to.
void audit_zip(const ZipReader& zip, AuditReport& report);
/// What records are: programs, compiled engines, packages, things without use.
void audit_records(const ZipReader& zip, const std::string& folder, AuditReport& report);
/// Pickles that name anything but values, or objects of native classes.
void audit_pickles(const TorchScriptFile& file, AuditReport& report);
/// Code as text, token by token: state methods, native classes, names taken apart.
void audit_tokens(const TorchScriptFile& file, AuditReport& report);
/// Code as a tree: what the compiler itself would execute.
void audit_compile_time(const TorchScriptFile& file, AuditReport& report);
/// The graphs of all methods: operators, casts.
void audit_operators(const CompiledCode& code, AuditReport& report);
/// The graphs of all methods: allocations and loops without measure.
void audit_sizes(const CompiledCode& code, AuditReport& report);
/// The same of one graph.
void audit_sizes(torch::jit::Block& block, const std::string& place, AuditReport& report);

/// Words about an operator that is not allowed.
std::string operator_message(const std::string& name);
std::string operator_hint(const std::string& name);

}  // namespace torchship
