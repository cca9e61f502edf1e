#pragma once

// How the panels of a packed matrix keep a row of kPanel numbers, and how it is read.

#include <cstdint>

#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Columns of a panel of b.
inline constexpr int kPanel = 2 * kLanes;

struct Float32Weights {
  static constexpr int kRowSize = kPanel;  ///< Of a panel, in floats.
  static constexpr int kMostWideRows = 3;  ///< Of a tile of several panels.
  static Vec half(const float* row, int index) { return load(row + index * kLanes); }
};

/// The upper 16 bits of float32s. A word of 32 bits has those of a number in the row's first half
/// below and of the one in the second half above, so that each half is one instruction away.
struct BFloat16Weights {
  static constexpr int kRowSize = kLanes;
  /// Widened numbers take registers, of which three rows would leave none.
  static constexpr int kMostWideRows = kRegisters == 32 ? 3 : 2;
  static Vec half(const float* row, int index) {
    using Words = std::uint32_t __attribute__((vector_size(kLanes * 4)));
    const auto words = reinterpret_cast<Words>(load(row));
    return reinterpret_cast<Vec>(index == 0 ? words << 16 : words & 0xffff0000);
  }

  static void pack_row(const float* numbers, float* row) {
    for (int i = 0; i < kLanes; ++i) {
      const std::uint32_t word = rounded(numbers[i]) | rounded(numbers[kLanes + i]) << 16;
      __builtin_memcpy(row + i, &word, sizeof(word));
    }
  }

 private:
  static std::uint32_t rounded(float number) {
    std::uint32_t bits = 0;
    __builtin_memcpy(&bits, &number, sizeof(bits));
    constexpr std::uint32_t kQuiet = 0x40;  // What is no number stays so if its upper bits were 0.
    if (number != number) return bits >> 16 | kQuiet;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  }
};

}  // namespace torchship::compute::TORCHSHIP_LEVEL
