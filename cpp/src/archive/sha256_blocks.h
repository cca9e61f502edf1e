#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace torchship {

/// Folds `count` blocks of 64 bytes into a SHA-256 state.
void sha256_blocks_portable(std::array<std::uint32_t, 8>& state, const char* blocks,
                            std::size_t count);

/// The same with the processor's SHA instructions; only where cpu_has_sha256().
void sha256_blocks_with_instructions(std::array<std::uint32_t, 8>& state, const char* blocks,
                                     std::size_t count);

bool cpu_has_sha256() noexcept;

}  // namespace torchship
