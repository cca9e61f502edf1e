#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "files/atomic_file.h"
#include "files/byte_source.h"

namespace torchship {

/// The array of a .npy file, contiguous and in the machine's byte order. Throws ArchiveError.
at::Tensor read_npy(const ByteSource& source);

/// What comes before a tensor's memory in a .npy file. Throws ArchiveError when numpy has no such
/// dtype; `what` says which tensor of which file it is.
std::string npy_prefix(const at::Tensor& tensor, const std::string& what);

void write_npy(AtomicFile& out, const at::Tensor& tensor);

}  // namespace torchship
