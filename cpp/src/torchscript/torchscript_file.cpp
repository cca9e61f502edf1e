#include "torchscript/torchscript_file.h"

#include <torchship/error.h>

#include "audit/audit.h"
#include "compiled/package.h"
#include "engines/interpreter.h"
#include "files/safetensors.h"
#include "lint/lint_torchscript.h"
#include "manifest/digests.h"
#include "manifest/overlay.h"
#include "manifest/samples.h"
#include "torchscript/describe.h"
#include "torchscript/guard.h"
#include "torchscript/load.h"
#include "torchscript/nesting.h"

namespace torchship {

namespace {

/// Code and descriptions are small next to weights; anything above this is an attack.
constexpr std::uint64_t kLargestRecord = std::uint64_t{1} << 30;

const std::string kManifest(kManifestRecord);
const std::string kSamples = "extra/torchship/samples.safetensors";
const std::string kIntermediates = "extra/torchship/intermediates.safetensors";

}  // namespace

TorchScriptFile::TorchScriptFile(ZipReader zip, std::string folder)
    : zip_(std::move(zip)), folder_(std::move(folder)) {
  if (const ZipEntry* entry = find(kManifest)) {
    manifest_ = parse_manifest(zip_.read(*entry, kLargestManifest), place(kManifest));
  }
}

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
  if (manifest_) {
    overlay(*manifest_, place(kManifest), info);
  }
  return info;
}

void TorchScriptFile::verify(bool digests) const {
  if (manifest_) require_listed(zip_, folder_, *manifest_);
  if (manifest_ && digests) {
    verify_digests(zip_, folder_, *manifest_);
  } else {
    verify_sums(zip_);
  }
}

NamedTensors TorchScriptFile::read_tensors(const std::string& name) const {
  const ZipEntry* entry = find(name);
  if (entry == nullptr) {
    return {};
  }
  if (entry->deflated) {
    const std::string bytes = zip_.read(*entry, kLargestRecord);
    return read_safetensors(byte_source(bytes, place(name)));
  }
  const std::uint64_t start = zip_.data_offset(*entry);
  return read_safetensors({.name = place(name),
                           .size = entry->size,
                           .read = [&](std::uint64_t offset, std::span<char> out) {
                             zip_.file().read(start + offset, out);
                           }});
}

std::vector<Sample> TorchScriptFile::samples(const ModelInfo& info) const {
  if (!manifest_ || manifest_->samples.empty()) {
    return {};
  }
  return bind_samples(*manifest_, info, read_tensors(kSamples), place(kManifest));
}

std::optional<Intermediates> TorchScriptFile::intermediates(const ModelInfo&) const {
  if (!manifest_ || !manifest_->intermediates) {
    return std::nullopt;
  }
  return bind_intermediates(*manifest_->intermediates, read_tensors(kIntermediates),
                            place(kManifest));
}

std::unique_ptr<const Engine> TorchScriptFile::load(const ModelInfo& info,
                                                    const LoadOptions& options) const {
  guard_torchscript(*this);
  return make_interpreter(load_module(*this, info.format_version, options.device), info, options);
}

const std::vector<CompiledRecord>& TorchScriptFile::compiled() const {
  static const std::vector<CompiledRecord> kNone;
  return manifest_ ? manifest_->engines : kNone;
}

std::unique_ptr<const CompiledLibrary> TorchScriptFile::load_compiled(
    const CompiledRecord& engine, std::size_t concurrent_calls) const {
  const ZipEntry* entry = find(engine.record);
  if (entry == nullptr) throw ArchiveError(place(engine.record) + ": the record is missing");
  const std::string& digest = manifest_->records.at(engine.record);
  const Package package(nested_file(zip_, *entry));
  return load_library({.key = digest,
                       .library = package.library(),
                       .extern_kernels = package.extern_kernels(),
                       .verify = [&] { require_digest(zip_, *entry, digest); }},
                      concurrent_calls);
}

std::vector<Finding> TorchScriptFile::lint(const ModelInfo& info,
                                           const LintOptions& options) const {
  return lint_torchscript(*this, info, options);
}

AuditReport TorchScriptFile::audit() const { return audit_torchscript(*this); }

}  // namespace torchship
