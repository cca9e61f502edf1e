#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "archive/zip.h"
#include "model_file.h"

namespace torchship {

/// The front end for packages that AOTInductor wrote by itself (.pt2): compiled code, and nothing
/// that an interpreter could run.
class PackageFile final : public ModelFile {
 public:
  /// What the package says of itself is read when it is first asked for: info() and what follows it
  /// throw ArchiveError where it does not say how its library is called.
  explicit PackageFile(std::shared_ptr<const File> file);

  std::string name() const override { return zip_.file().path().string(); }
  std::uint64_t size() const override { return zip_.file().size(); }
  ModelInfo info() const override { return description().info; }
  void verify(bool digests) const override;
  std::vector<Sample> samples(const ModelInfo&) const override { return {}; }
  std::optional<Intermediates> intermediates(const ModelInfo&) const override { return {}; }
  std::unique_ptr<const Engine> load(const ModelInfo& info,
                                     const LoadOptions& options) const override;
  bool is_code_alone() const override { return true; }
  const std::vector<CompiledRecord>& compiled() const override { return description().compiled; }
  std::unique_ptr<const CompiledLibrary> load_compiled(const CompiledRecord& engine,
                                                       const LibraryUse& use) const override;
  std::vector<Finding> lint(const ModelInfo&, const LintOptions&) const override { return {}; }
  AuditReport audit() const override;

 private:
  struct Description {
    ModelInfo info;
    std::vector<CompiledRecord> compiled;
  };

  const Description& description() const;
  Description describe() const;
  void add_model(const std::string& model, Description& description) const;

  std::shared_ptr<const File> file_;
  ZipReader zip_;
  mutable std::once_flag described_;
  mutable Description description_;
};

}  // namespace torchship
