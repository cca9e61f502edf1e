#pragma once

#include <future>

#include <torchship/model.h>

#include "model_file.h"

namespace torchship {

/// The comparing of a file's records with their sums, beside the loading of the model: weights are
/// bytes that nothing depends on, and code and descriptions are compared whenever they are read.
/// Digests are compared before: checksums would let changed code run.
class Verification {
 public:
  /// Begins, on a thread of its own where the file is large. The file must outlive this. Throws
  /// ArchiveError where digests differ.
  Verification(const ModelFile& file, const LoadOptions& options);

  /// Waits for the end. Throws ArchiveError naming the first damaged record.
  void finish();

 private:
  std::future<void> done_;  ///< Waits in its destructor.
};

}  // namespace torchship
