#pragma once

#include <cstdint>
#include <string>

namespace torchship {

/// The LibTorch this process runs: "2.13.0".
std::string running_libtorch();

/// LibTorch keeps its C++ interface within one minor version only. Throws ArchiveError naming both
/// versions when this library was built with another minor version than the one that is loaded.
void require_matching_libtorch();

/// The rule itself; versions are LibTorch's own ABI words (major, minor, patch in the top bytes).
void require_same_minor(std::uint64_t built, std::uint64_t running);

}  // namespace torchship
