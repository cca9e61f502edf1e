#pragma once

#include <cstddef>
#include <cstdint>

#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Copies `count` floats to where none of them lies.
inline void copy_row(const float* from, float* to, std::int64_t count) {
  constexpr std::int64_t kLong = 256;
  if (count >= kLong) {
    __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  if (count < kLanes) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  // The last vector may overlap the one before.
  const Vec last = load(from + count - kLanes);
  for (std::int64_t i = 0; i + kLanes < count; i += kLanes) store(to + i, load(from + i));
  store(to + count - kLanes, last);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
