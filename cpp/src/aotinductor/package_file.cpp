#include "aotinductor/package_file.h"

#include <cstdlib>
#include <set>
#include <string_view>

#include <torchship/error.h>

#include "aotinductor/call_spec.h"
#include "archive/sha256.h"
#include "audit/audit.h"
#include "compiled/package.h"
#include "manifest/digests.h"

namespace torchship {
namespace {

constexpr std::string_view kFolder = "data/aotinductor/";

/// The models of a package, which are folders in it.
std::set<std::string> models_of(const ZipReader& zip) {
  std::set<std::string> models;
  for (const ZipEntry& entry : zip.entries()) {
    const std::size_t at = entry.name.find(kFolder);
    if (at == std::string::npos) continue;
    const std::size_t start = at + kFolder.size(), end = entry.name.find('/', start);
    if (end != std::string::npos) models.insert(entry.name.substr(start, end - start));
  }
  return models;
}

/// What the compiler noted of its machine, in our words.
std::map<std::string, std::string> target_of(const Package& package) {
  const auto noted = [&](const char* key) {
    const auto found = package.metadata().find(key);
    return found == package.metadata().end() ? std::string() : found->second;
  };
  std::map<std::string, std::string> target;
  target["device"] = noted("AOTI_DEVICE_KEY").empty() ? "cpu" : noted("AOTI_DEVICE_KEY");
  if (const std::string machine = noted("AOTI_MACHINE"); !machine.empty()) target["arch"] = machine;
  const std::string isa = noted("AOTI_CPU_ISA");
  if (isa.starts_with("AVX512")) target["isa"] = "x86-64-v4";
  if (isa.starts_with("AVX2")) target["isa"] = "x86-64-v3";
  // Of the CPU's instructions nothing is used where the GPU does the work.
  if (target["device"] == "cuda") {
    target.erase("isa");
    target["cuda_arch"] = noted("AOTI_COMPUTE_CAPABILITY");
  }
  return target;
}

std::size_t count_inputs(const MethodInfo& method) {
  std::size_t inputs = 0;
  for (const ValueSpec& input : method.inputs) inputs += count_tensors(input);
  return inputs;
}

/// What a library reads depends on sizes that it was compiled for. They are in the generated source; where
/// that is left out, the library can look itself, and does if it is told to before its first call.
void require_own_checks(const std::string& name) {
  const char* const told = std::getenv("AOTI_RUNTIME_CHECK_INPUTS");
  if (told != nullptr && std::string_view(told) != "0") return;
  throw EngineError(name + ": the package does not say what sizes its inputs have: others would be read "
                           "beyond their end",
                    "set AOTI_RUNTIME_CHECK_INPUTS=1 before the process starts, and its code compares them; "
                    "or package it with its source");
}

}  // namespace

PackageFile::PackageFile(std::shared_ptr<const File> file) : file_(file), zip_(std::move(file)) {}

const PackageFile::Description& PackageFile::description() const {
  std::call_once(described_, [&] { description_ = describe(); });
  return description_;
}

PackageFile::Description PackageFile::describe() const {
  Description description;
  ModelInfo& info = description.info;
  info.path = zip_.file().path();
  info.format = "aotinductor";
  info.file_size = static_cast<std::int64_t>(size());
  for (const std::string& model : models_of(zip_)) add_model(model, description);
  if (info.find("forward") != nullptr) {
    info.default_method = "forward";
  } else if (info.methods.size() == 1) {
    info.default_method = info.methods.front().name;
  }
  return description;
}

void PackageFile::add_model(const std::string& model, Description& description) const {
  const Package package(file_, model);
  CallSpec spec = find_call_spec(package.library(), name());
  MethodInfo method;
  method.name = model == "model" ? "forward" : model;
  method.inputs = std::move(spec.inputs);
  method.output = std::move(spec.output);
  add_checked_sizes(package.source(), method);
  CompiledRecord record;
  record.info = {.id = model, .method = method.name, .target = target_of(package),
                 .checked = true, .ratio = std::nullopt, .beside = {}, .settings = {}};
  record.record = model;
  record.method = method;
  ModelInfo& info = description.info;
  info.engines.push_back(record.info);
  info.methods.push_back(std::move(method));
  for (const auto& [key, value] : package.metadata()) info.metadata[key] = value;
  description.compiled.push_back(std::move(record));
}

void PackageFile::verify(bool) const { verify_sums(zip_); }

std::unique_ptr<const Engine> PackageFile::load(const ModelInfo&, const LoadOptions&) const {
  throw EngineError(name() + ": is compiled code alone, which no interpreter can run",
                    "its inputs must be of the dtypes and sizes that it was compiled for, and the "
                    "engine must fit this machine: engine=\"compiled\" says why it does not");
}

std::unique_ptr<const CompiledLibrary> PackageFile::load_compiled(
    const CompiledRecord& engine, const LibraryUse& use) const {
  const Package package(file_, engine.record);
  Sha256 sum;
  if (package.source().empty() && count_inputs(engine.method) > 0) {
    require_own_checks(name());
    // The same code may be here already from an archive, told that nothing needs to be checked.
    sum.update("with its own checks");
  }
  sum.update(package.library());
  sum.update(package.extern_kernels());
  for (const NamedBytes& kernel : package.device_kernels()) {
    sum.update(kernel.name);
    sum.update(kernel.bytes);
  }
  return load_library({.key = sum.finish(),
                       .library = package.library(),
                       .extern_kernels = package.extern_kernels(),
                       .device_kernels = package.device_kernels(),
                       .verify = [&] { verify_sums(zip_); }},
                      use);
}

AuditReport PackageFile::audit() const {
  AuditReport report;
  audit_zip(zip_, report);
  if (report.is_readable()) audit_records(zip_, {}, report);
  report.forbid_reading();  // There is nothing more to it than its code.
  return report;
}

}  // namespace torchship
