#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torchship/tensor_file.h>

#include "archive/zip.h"
#include "compiled/library.h"
#include "manifest/manifest.h"
#include "sample.h"

namespace torchship {

/// What torchship adds to the files of others under `extra/torchship/`: the manifest, and what it
/// refers to. A file need not have any of it.
class Extras {
 public:
  /// Reads the manifest, if there is one. `folder` is the one that all records of the zip are in. The
  /// zip must outlive this. Throws ArchiveError.
  Extras(const ZipReader& zip, const std::string& folder);

  const std::optional<Manifest>& manifest() const { return manifest_; }

  /// Adds what the manifest says to what the model's code says. Throws ArchiveError.
  void overlay(ModelInfo& info) const;
  /// See ModelFile.
  void verify(bool digests) const;
  std::vector<Sample> samples(const ModelInfo& info) const;
  std::optional<Intermediates> intermediates() const;
  const std::vector<CompiledRecord>& compiled() const;
  std::unique_ptr<const CompiledLibrary> load_compiled(const CompiledRecord& engine,
                                                       const LibraryUse& use) const;

 private:
  const ZipEntry* find(const std::string& name) const { return zip_.find(folder_ + name); }
  std::string place(const std::string& name) const;
  /// The tensors of a .safetensors record; none if it is not there.
  NamedTensors read_tensors(const std::string& name) const;

  const ZipReader& zip_;
  const std::string folder_;
  std::optional<Manifest> manifest_;
};

}  // namespace torchship
