#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "archive/zip.h"
#include "manifest/extras.h"
#include "model_file.h"

namespace torchship {

/// The TorchScript front end: an archive of torch.jit.save, of R torch's jit_save, or of ours.
class TorchScriptFile final : public ModelFile {
 public:
  /// `folder` is the one that all records of the zip are in, with its slash. Reads the manifest, if
  /// there is one. Throws ArchiveError.
  TorchScriptFile(ZipReader zip, std::string folder);

  ModelInfo info() const override;
  void verify(bool digests) const override { extras_.verify(digests); }
  std::vector<Sample> samples(const ModelInfo& info) const override {
    return extras_.samples(info);
  }
  std::optional<Intermediates> intermediates(const ModelInfo&) const override {
    return extras_.intermediates();
  }
  std::unique_ptr<const Engine> load(const ModelInfo& info,
                                     const LoadOptions& options) const override;
  const std::vector<CompiledRecord>& compiled() const override { return extras_.compiled(); }
  std::unique_ptr<const CompiledLibrary> load_compiled(
      const CompiledRecord& engine, const LibraryUse& use) const override {
    return extras_.load_compiled(engine, use);
  }
  std::vector<Finding> lint(const ModelInfo& info, const LintOptions& options) const override;
  AuditReport audit() const override;

  /// The record of that name inside the folder, or null.
  const ZipEntry* find(const std::string& name) const { return zip_.find(folder_ + name); }
  /// All records of the file.
  const std::vector<ZipEntry>& entries() const { return zip_.entries(); }
  /// Their names inside the folder.
  std::vector<std::string> names() const;
  const ZipReader& zip() const { return zip_; }
  /// The folder that all records are in, with its slash.
  const std::string& folder() const { return folder_; }
  /// A record of description or code, whole. Throws ArchiveError when it is missing or huge.
  std::string read(const std::string& name) const;
  std::string read(const ZipEntry& entry) const;
  /// A record of code. Throws ArchiveError where it is nested so deeply that LibTorch's parser would
  /// crash.
  std::string read_code(const ZipEntry& entry) const;
  /// Hands a record's bytes to `take` piece by piece. Throws ArchiveError.
  void stream(const ZipEntry& entry, const std::function<void(std::string_view)>& take) const {
    zip_.stream(entry, take);
  }
  /// "model.pt": how messages name the file.
  std::string name() const override { return zip_.file().path().string(); }
  std::uint64_t size() const override { return zip_.file().size(); }
  /// "model.pt: data.pkl": how messages name a record.
  std::string place(const std::string& name) const;

 private:
  ZipReader zip_;
  mutable std::mutex mutex_;
  mutable std::set<const ZipEntry*> measured_;  ///< Code whose nesting was looked at.
  std::string folder_;
  Extras extras_;
};

}  // namespace torchship
