#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <torch/csrc/jit/api/module.h>

#include "exported/boundary.h"
#include "exported/program_archive.h"
#include "manifest/extras.h"
#include "model_file.h"

namespace torchship {

/// The front end for exported programs (.pt2), as torch.export.save or torchship wrote them: a graph of
/// operators and its weights, without code.
class ExportedFile final : public ModelFile {
 public:
  /// Throws ArchiveError.
  explicit ExportedFile(ZipReader zip);

  std::string name() const override { return archive_.name(); }
  std::uint64_t size() const override { return archive_.zip().file().size(); }
  ModelInfo info() const override;
  void verify(bool digests) const override { extras_.verify(digests); }
  std::vector<Sample> samples(const ModelInfo& info) const override;
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
  /// The program with its weights as a TorchScript module, whose named tuples are those of `info`.
  /// Throws ArchiveError, or what LibTorch throws.
  torch::jit::Module lower(const ModelInfo& info, const at::Device& device) const;
  std::vector<Finding> lint(const ModelInfo& info, const LintOptions& options) const override;
  AuditReport audit() const override;

 private:
  /// What the file describes, read when it is first asked for.
  struct Description {
    ExportedProgram program;
    ProgramBoundary boundary;
    StoredTensors tensors;
  };

  const Description& description() const;

  ProgramArchive archive_;
  Extras extras_;
  mutable std::once_flag described_;
  mutable Description description_;
};

}  // namespace torchship
