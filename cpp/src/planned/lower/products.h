#pragma once

#include <cstddef>

#include "planned/planner.h"

namespace torchship {

/// Products below this many operations are done by one thread: waking another takes longer.
inline constexpr double kFewProducts = 1 << 20;

/// The product of two operands that change, a matrix of each for every batch.
bool multiply_batches(Planner& planner, std::size_t index);

}  // namespace torchship
