#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torchship/info.h>
#include <torchship/lint.h>
#include <torchship/model.h>
#include <torchship/source.h>

#include "archive/file.h"
#include "audit/report.h"
#include "compiled/library.h"
#include "compiled/record.h"
#include "engines/engine.h"
#include "sample.h"

namespace torchship {

/// A model file that was opened and recognised, and not yet loaded: a front end. There is one kind
/// for each format; none knows the others.
class ModelFile {
 public:
  virtual ~ModelFile() = default;

  /// "model.pt": how messages name the file.
  virtual std::string name() const = 0;

  /// In bytes.
  virtual std::uint64_t size() const = 0;

  /// What the file says of itself: reads descriptions only, runs nothing. Throws ArchiveError.
  virtual ModelInfo info() const = 0;

  /// Compares every record with its checksum in the zip or, where `digests` are wanted and there is a
  /// manifest, with its SHA-256 there; in both cases the manifest's list of records must be right.
  /// Reads the whole file. Throws ArchiveError naming the record.
  virtual void verify(bool digests) const = 0;

  /// The golden samples, in the order of ModelInfo::samples. Throws ArchiveError.
  virtual std::vector<Sample> samples(const ModelInfo& info) const = 0;

  /// Recorded intermediate results, if the archive has them. Throws ArchiveError.
  virtual std::optional<Intermediates> intermediates(const ModelInfo& info) const = 0;

  /// Loads weights and code, for the interpreter. Throws ArchiveError, and EngineError where the file
  /// has nothing that an interpreter could run.
  virtual std::unique_ptr<const Engine> load(const ModelInfo& info,
                                             const LoadOptions& options) const = 0;

  /// Whether there is nothing that an interpreter could run.
  virtual bool is_code_alone() const { return false; }

  /// The compiled engines, in the order of ModelInfo::engines.
  virtual const std::vector<CompiledRecord>& compiled() const = 0;

  /// Unpacks and loads a compiled engine. Throws ArchiveError and EngineError.
  virtual std::unique_ptr<const CompiledLibrary> load_compiled(
      const CompiledRecord& engine, const LibraryUse& use) const = 0;

  /// What is wrong with the file beyond what its manifest says, in the order of the file; nothing
  /// of it is run. Of the options only `audit` counts here. Throws ArchiveError.
  virtual std::vector<Finding> lint(const ModelInfo& info, const LintOptions& options) const = 0;

  /// What a file from a stranger must not have; asked before anything else, info() included.
  /// Nothing of the file is run. Throws ArchiveError where the file is refused in any case.
  virtual AuditReport audit() const = 0;
};

/// Opens a file and finds out what it is. Throws ArchiveError, saying what the file holds instead
/// where it is no model.
std::unique_ptr<const ModelFile> open_model(const Source& source,
                                            File::Access access = File::Access::read);

}  // namespace torchship
