#pragma once

#include <torchship/graph.h>

#include <optional>
#include <vector>

#include "planned/plan.h"

namespace torchship {

/// For each step; empty where nobody asked.
struct PlanMeasures {
  std::vector<double> microseconds = {};
  std::vector<std::optional<double>> errors = {};  ///< See Plan::compare().
};

/// A plan for people: a kernel for each step, with the operators that it stands for inside; values
/// are pieces of memory. `graph` is what the plan was made of.
Graph describe_plan(const Plan& plan, const torch::jit::Graph& graph, const PlanMeasures& measures);

}  // namespace torchship
