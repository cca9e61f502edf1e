#pragma once

#include <cstddef>
#include <vector>

#include "planned/plan.h"

namespace torchship {

/// Gives the buffers of home `arena` their offsets, so that those alive at the same step do not
/// overlap; returns the bytes of the whole. Large ones first, each at the lowest place that is free
/// ("Greedy by size" of Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
/// Inference", 2020).
std::size_t place_buffers(std::vector<Buffer>& buffers);

}  // namespace torchship
