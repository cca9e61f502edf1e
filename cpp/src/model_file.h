#pragma once

#include <filesystem>
#include <memory>

#include <torchship/info.h>
#include <torchship/model.h>

#include "engines/engine.h"

namespace torchship {

/// A model file that was opened and recognised, and not yet loaded: a front end. There is one kind
/// for each format; none knows the others.
class ModelFile {
 public:
  virtual ~ModelFile() = default;

  /// What the file says of itself: reads descriptions only, runs nothing. Throws ArchiveError.
  virtual ModelInfo info() const = 0;

  /// Loads weights and code. Throws ArchiveError.
  virtual std::unique_ptr<const Engine> load(const ModelInfo& info,
                                             const LoadOptions& options) const = 0;
};

/// Opens a file and finds out what it is. Throws ArchiveError, saying what the file holds instead
/// where it is no model.
std::unique_ptr<const ModelFile> open_model(const std::filesystem::path& path);

}  // namespace torchship
