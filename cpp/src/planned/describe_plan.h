#pragma once

#include <vector>

#include <torchship/graph.h>

#include "planned/plan.h"

namespace torchship {

/// A plan for people: a kernel for each step, with the operators that it stands for inside; values are
/// pieces of memory. `microseconds`, where not empty, has the time of each step.
Graph describe_plan(const Plan& plan, const std::vector<double>& microseconds);

}  // namespace torchship
