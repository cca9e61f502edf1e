#pragma once

#include <memory>

#include <torchship/source.h>

#include "archive/file.h"

namespace torchship {

/// One kind of source.
class Source::Impl {
 public:
  virtual ~Impl() = default;
  virtual std::shared_ptr<const File> open(File::Access access) const = 0;
};

/// Throws ArchiveError. Bytes in memory are there whatever `access` says.
std::shared_ptr<const File> open_source(const Source& source, File::Access access);

}  // namespace torchship
