#pragma once

#include <string_view>

#include <torchship/tensor_file.h>

#include "files/atomic_file.h"
#include "files/byte_source.h"

namespace torchship {

/// Whether the bytes may begin a .safetensors file of `size` bytes; nine bytes tell.
bool is_safetensors(std::string_view start, std::uint64_t size);

/// The tensors in the order of the header. Throws ArchiveError.
NamedTensors read_safetensors(const ByteSource& source);

void write_safetensors(AtomicFile& out, const NamedTensors& tensors);

}  // namespace torchship
