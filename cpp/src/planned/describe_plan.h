#pragma once

#include <torchship/graph.h>

#include <vector>

#include "planned/plan.h"

namespace torchship {

/// A plan for people: a kernel for each step, with the operators that it stands for inside; values
/// are pieces of memory. `graph` is what the plan was made of; `microseconds`, where not empty, has
/// the time of each step.
Graph describe_plan(const Plan& plan, const torch::jit::Graph& graph,
                    const std::vector<double>& microseconds);

}  // namespace torchship
