#pragma once

#include <memory>
#include <optional>
#include <string>

#include "archive/pickle.h"
#include "archive/zip.h"
#include "exported/stored_tensor.h"

namespace torchship {

/// What torch.save writes: a zip with a pickle, and a record for each storage that it refers to. The
/// pickle is taken apart, and nothing of it run.
class TorchSaveFile {
 public:
  /// A record of another zip file, which must outlive this. Throws ArchiveError.
  TorchSaveFile(const ZipReader& outer, const ZipEntry& entry);

  const Pickle& pickle() const { return *pickle_; }
  /// The tensor that a node stands for; nothing where it is none, or of a dtype of its own.
  /// Throws ArchiveError where its bytes are missing.
  std::optional<StoredTensor> tensor(const Pickle::Node& node) const;

 private:
  std::string place_;
  std::unique_ptr<const ZipReader> zip_;
  std::string folder_;
  std::unique_ptr<const Pickle> pickle_;
};

}  // namespace torchship
