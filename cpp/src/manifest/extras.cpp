#include "manifest/extras.h"

#include <torchship/error.h>

#include "compiled/package.h"
#include "files/safetensors.h"
#include "manifest/digests.h"
#include "manifest/overlay.h"
#include "manifest/samples.h"

namespace torchship {
namespace {

/// Samples are small next to weights; anything above this is an attack.
constexpr std::uint64_t kLargestRecord = std::uint64_t{1} << 30;

const std::string kManifest(kManifestRecord);
const std::string kSamples = "extra/torchship/samples.safetensors";
/// torch.export.load takes everything under extra/ for text, and fails where it is none.
const std::string kProgramSamples = "data/torchship/samples.safetensors";
const std::string kIntermediates = "extra/torchship/intermediates.safetensors";

}  // namespace

Extras::Extras(const ZipReader& zip, const std::string& folder) : zip_(zip), folder_(folder) {
  if (const ZipEntry* entry = find(kManifest)) {
    manifest_ = parse_manifest(zip_.read(*entry, kLargestManifest), place(kManifest));
  }
}

std::string Extras::place(const std::string& name) const {
  return zip_.file().path().string() + ": " + name;
}

void Extras::overlay(ModelInfo& info) const {
  if (manifest_) torchship::overlay(*manifest_, place(kManifest), info);
}

void Extras::verify(bool digests) const {
  if (manifest_) require_listed(zip_, folder_, *manifest_);
  if (manifest_ && digests) {
    verify_digests(zip_, folder_, *manifest_);
  } else {
    verify_sums(zip_);
  }
}

NamedTensors Extras::read_tensors(const std::string& name) const {
  const ZipEntry* entry = find(name);
  if (entry == nullptr) return {};
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

std::vector<Sample> Extras::samples(const ModelInfo& info) const {
  if (!manifest_ || manifest_->samples.empty()) return {};
  const bool is_program = find(kSamples) == nullptr && find(kProgramSamples) != nullptr;
  return bind_samples(*manifest_, info, read_tensors(is_program ? kProgramSamples : kSamples),
                      place(kManifest));
}

std::optional<Intermediates> Extras::intermediates() const {
  if (!manifest_ || !manifest_->intermediates) return std::nullopt;
  return bind_intermediates(*manifest_->intermediates, read_tensors(kIntermediates),
                            place(kManifest));
}

const std::vector<CompiledRecord>& Extras::compiled() const {
  static const std::vector<CompiledRecord> kNone;
  return manifest_ ? manifest_->engines : kNone;
}

std::unique_ptr<const CompiledLibrary> Extras::load_compiled(const CompiledRecord& engine,
                                                             const LibraryUse& use) const {
  const ZipEntry* entry = find(engine.record);
  if (entry == nullptr) throw ArchiveError(place(engine.record) + ": the record is missing");
  const std::string& digest = manifest_->records.at(engine.record);
  const Package package(nested_file(zip_, *entry));
  return load_library({.key = digest,
                       .library = package.library(),
                       .extern_kernels = package.extern_kernels(),
                       .device_kernels = package.device_kernels(),
                       .verify = [&] { require_digest(zip_, *entry, digest); }},
                      use);
}

}  // namespace torchship
