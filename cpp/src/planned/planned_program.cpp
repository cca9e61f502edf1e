#include "planned/planned_program.h"

#include <torch/csrc/jit/passes/remove_mutation.h>

#include <algorithm>

#include "graphs/visit.h"
#include "graphs/writes.h"
#include "planned/call_key.h"
#include "planned/describe_plan.h"
#include "planned/observation.h"
#include "planned/planner.h"
#include "planned/same_values.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMostPlans = 32;  ///< Of a method; the oldest is dropped.

/// Whether anybody sees it when a call is made twice, as the first one of a signature is.
bool has_side_effects(jit::Graph& graph) {
  bool found = false;
  for_each_node(*graph.block(), [&](const jit::Node* node) {
    found = found || (node->hasSideEffects() && node->kind() != c10::prim::RaiseException);
  });
  return found;
}

/// The graph with operators that write in place replaced by those that do not; null where some
/// are left, or others with effects of their own.
std::shared_ptr<jit::Graph> without_effects(const std::shared_ptr<jit::Graph>& graph) {
  std::shared_ptr<jit::Graph> pure = graph;
  if (may_write(*graph)) {
    pure = graph->copy();
    jit::RemoveListMutation(pure);
    jit::RemoveTensorMutation(pure);
  }
  return may_write(*pure) || has_side_effects(*pure) ? nullptr : pure;
}

std::shared_ptr<PlanEntry> refused(std::string reason) {
  auto entry = std::make_shared<PlanEntry>();
  entry->reason = std::move(reason);
  return entry;
}

std::shared_ptr<PlanEntry> ready(Plan plan) {
  auto entry = std::make_shared<PlanEntry>();
  entry->plan = std::make_unique<const Plan>(std::move(plan));
  entry->frames = std::make_unique<FramePool>(*entry->plan);
  return entry;
}

c10::IValue run_plan(const PlanEntry& entry, const std::vector<c10::IValue>& arguments) {
  FramePool::Lease frame(*entry.frames);
  return entry.plan->run(*frame, arguments);
}

/// Told from the plan and not by a clock: results must not depend on what else the machine does.
bool pays(const Plan& plan) {
  constexpr double kLittle = 1e6;
  double operations = 0;
  for (const Step& step : plan.steps) operations += step.operations;
  return operations > kLittle || 2 * plan.left < plan.steps.size();
}

}  // namespace

PlannedProgram::PlannedProgram(const Program& plain, bool must_pay)
    : plain_(plain), must_pay_(must_pay), graph_(without_effects(plain.frozen)) {}

void PlannedProgram::run(std::vector<c10::IValue>& stack) {
  try {
    if (std::optional<c10::IValue> result = run_planned(stack)) {
      stack.clear();
      stack.push_back(std::move(*result));
      return;
    }
  } catch (const Deviation&) {
  } catch (const std::exception&) {
    // The interpreter says it with the user's own line.
  }
  plain_.run(stack);
}

std::optional<c10::IValue> PlannedProgram::run_planned(const std::vector<c10::IValue>& arguments) {
  const std::string key = call_key(arguments);
  std::shared_ptr<const PlanEntry> entry = find(key);
  if (!entry) {
    const std::lock_guard lock(making_);
    entry = find(key);
    if (!entry) {
      c10::IValue result;
      entry = make(arguments, result);
      keep(key, entry);
      return entry->plan ? std::optional(std::move(result)) : std::nullopt;
    }
  }
  return entry->plan ? std::optional(run_plan(*entry, arguments)) : std::nullopt;
}

Graph PlannedProgram::describe(const std::vector<c10::IValue>& arguments, bool profile) {
  const std::shared_ptr<const PlanEntry> entry = entry_for(arguments);
  if (!entry->plan) {
    Graph none;
    none.notes.push_back("calls of these sizes run in LibTorch's interpreter: " + entry->reason);
    return none;
  }
  std::vector<double> microseconds;
  if (profile) {
    FramePool::Lease frame(*entry->frames);
    entry->plan->run(*frame, arguments);
    microseconds = entry->plan->time(*frame, arguments);
  }
  return describe_plan(*entry->plan, *graph_, microseconds);
}

std::shared_ptr<const PlanEntry> PlannedProgram::entry_for(
    const std::vector<c10::IValue>& arguments) {
  const std::string key = call_key(arguments);
  if (auto entry = find(key)) return entry;
  const std::lock_guard lock(making_);
  if (auto entry = find(key)) return entry;
  c10::IValue result;
  const auto entry = make(arguments, result);
  keep(key, entry);
  return entry;
}

std::shared_ptr<const PlanEntry> PlannedProgram::find(const std::string& key) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second;
}

std::shared_ptr<const PlanEntry> PlannedProgram::make(const std::vector<c10::IValue>& arguments,
                                                      c10::IValue& result) {
  if (!graph_) return refused("the method writes in place, or has other effects");
  const Observation seen = observe(*graph_, arguments);
  try {
    return proven(seen, arguments, result);
  } catch (const Deviation& deviation) {
    return refused("the sizes of " + deviation.operator_name + " differ from call to call");
  } catch (const std::exception& error) {
    return refused("it could not be planned: " + explain(error).text);
  }
}

std::shared_ptr<PlanEntry> PlannedProgram::proven(const Observation& seen,
                                                  const std::vector<c10::IValue>& arguments,
                                                  c10::IValue& result) const {
  std::string reason;
  for (const bool exact : {false, true}) {
    Plan plan = Planner(seen, exact).make();
    if (plan.planned == 0) return refused("no operator has a kernel of ours");
    if (must_pay_ && !pays(plan)) {
      return refused("there is little to compute, and most of it LibTorch does");
    }
    const std::shared_ptr<PlanEntry> entry = ready(std::move(plan));
    result = run_plan(*entry, arguments);
    reason = difference(result, seen.output);
    if (!reason.empty()) continue;
    return entry;
  }
  return refused("its results are not LibTorch's: " + reason);
}

void PlannedProgram::keep(const std::string& key, std::shared_ptr<const PlanEntry> entry) {
  const std::unique_lock lock(mutex_);
  entries_[key] = std::move(entry);
  order_.push_back(key);
  if (order_.size() <= kMostPlans) return;
  entries_.erase(order_.front());
  order_.erase(order_.begin());
}

}  // namespace torchship
