#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torchship/error.h>

namespace torchship {

/// Tensors with their names, in the order of the file.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Reads a .npy (one tensor, with an empty name), .npz or .safetensors file; the content decides,
/// not the file's name. Tensors are contiguous and on the CPU. Big-endian and Fortran-ordered
/// arrays are converted. Throws ArchiveError naming the file and what is wrong with it.
TORCHSHIP_EXPORT NamedTensors read_tensors(const std::filesystem::path& file);

/// Writes a .npy (exactly one tensor), .npz or .safetensors file, as its extension says.
/// Atomic: the file is whole, or what stood there before is left as it was. Tensors of any device
/// and layout of strides are accepted. Throws ArchiveError.
TORCHSHIP_EXPORT void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

}  // namespace torchship
