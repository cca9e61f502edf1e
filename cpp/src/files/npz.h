#pragma once

#include <torchship/tensor_file.h>

#include "archive/zip.h"
#include "files/atomic_file.h"

namespace torchship {

/// The arrays of a .npz file, named as numpy does: without ".npy". Throws ArchiveError.
NamedTensors read_npz(const ZipReader& zip);

void write_npz(AtomicFile& out, const NamedTensors& tensors);

}  // namespace torchship
