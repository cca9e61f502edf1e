#pragma once

#include <memory>

#include <c10/core/Allocator.h>

#include "archive/mapping.h"
#include "archive/zip.h"

namespace torchship {

/// The bytes of records as memory of tensors on the CPU. Where the file is mapped they are used where
/// they lie, in a mapping of this object's own that the tensors keep (Note [Mapped files]); records
/// that are deflated, or do not start at an address that is a multiple of 64, are copied, as all are
/// where the file is not mapped.
///
/// Checksums are not compared: the file's were before, where that is wanted.
class RecordMemory {
 public:
  explicit RecordMemory(const ZipReader& zip) : zip_(zip), mapping_(zip.file().writable()) {}

  /// Throws ArchiveError.
  at::DataPtr of(const ZipEntry& entry) const;

 private:
  at::DataPtr copied(const ZipEntry& entry) const;

  const ZipReader& zip_;
  const std::shared_ptr<const Mapping> mapping_;
};

}  // namespace torchship
