#include "torchscript/torchscript_file.h"

#include <torchship/error.h>

#include "audit/audit.h"
#include "engines/interpreter.h"
#include "lint/lint_torchscript.h"
#include "torchscript/describe.h"
#include "torchscript/guard.h"
#include "torchscript/load.h"
#include "torchscript/nesting.h"

namespace torchship {

namespace {

/// Code and descriptions are small next to weights; anything above this is an attack.
constexpr std::uint64_t kLargestRecord = std::uint64_t{1} << 30;

}  // namespace

TorchScriptFile::TorchScriptFile(ZipReader zip, std::string folder)
    : zip_(std::move(zip)), folder_(std::move(folder)), extras_(zip_, folder_) {}

std::string TorchScriptFile::place(const std::string& name) const {
  return this->name() + ": " + name;
}

std::vector<std::string> TorchScriptFile::names() const {
  std::vector<std::string> names;
  for (const ZipEntry& entry : entries()) names.push_back(entry.name.substr(folder_.size()));
  return names;
}

std::string TorchScriptFile::read(const ZipEntry& entry) const {
  return zip_.read(entry, kLargestRecord);
}

std::string TorchScriptFile::read(const std::string& name) const {
  if (const ZipEntry* entry = find(name)) return read(*entry);
  throw ArchiveError(place(name) + ": the record is missing");
}

std::string TorchScriptFile::read_code(const ZipEntry& entry) const {
  std::string code = read(entry);
  {
    const std::lock_guard lock(mutex_);
    if (measured_.contains(&entry)) return code;
  }
  refuse_deep_nesting(code, this->name() + ": " + entry.name);
  const std::lock_guard lock(mutex_);
  measured_.insert(&entry);
  return code;
}

ModelInfo TorchScriptFile::info() const {
  ModelInfo info = describe_torchscript(*this);
  info.path = zip_.file().path();
  info.file_size = static_cast<std::int64_t>(zip_.file().size());
  extras_.overlay(info);
  return info;
}

std::unique_ptr<const Engine> TorchScriptFile::load(const ModelInfo& info,
                                                    const LoadOptions& options) const {
  guard_torchscript(*this);
  return make_interpreter(load_module(*this, info.format_version, options.device), info, options);
}

std::vector<Finding> TorchScriptFile::lint(const ModelInfo& info,
                                           const LintOptions& options) const {
  return lint_torchscript(*this, info, options);
}

AuditReport TorchScriptFile::audit() const { return audit_torchscript(*this); }

}  // namespace torchship
