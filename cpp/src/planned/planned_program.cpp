#include "planned/planned_program.h"

#include <torch/csrc/jit/passes/remove_mutation.h>

#include <algorithm>

#include "graphs/visit.h"
#include "graphs/writes.h"
#include "planned/call_key.h"
#include "planned/composites.h"
#include "planned/describe_plan.h"
#include "planned/observation.h"
#include "planned/planner.h"
#include "planned/same_values.h"
#include "thread_number.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMostPlans =
    32;  ///< Of a method; the one that was not used longest is dropped.
constexpr std::size_t kMostVarying = 16;  ///< Operators that a signature is planned again for.

/// Whether anybody sees it when a call is made twice, as the first one of a signature is.
bool has_side_effects(jit::Graph& graph) {
  bool found = false;
  for_each_node(*graph.block(), [&](const jit::Node* node) {
    found = found || (node->hasSideEffects() && node->kind() != c10::prim::RaiseException);
  });
  return found;
}

/// The same graph where LibTorch refuses the operators that stand for a layer.
std::shared_ptr<jit::Graph> decomposed(const std::shared_ptr<jit::Graph>& graph) {
  const std::shared_ptr<jit::Graph> made = graph->copy();
  try {
    decompose_composites(*made);
    return made;
  } catch (const std::exception&) {
    return graph;
  }
}

/// The graph to be planned: with operators that write in place replaced by those that do not, and
/// layers that are one operator by those that they are made of. Null where some that write are
/// left, or others with effects of their own.
std::shared_ptr<jit::Graph> plannable(const std::shared_ptr<jit::Graph>& graph) {
  std::shared_ptr<jit::Graph> pure = graph;
  if (may_write(*graph)) {
    pure = graph->copy();
    jit::RemoveListMutation(pure);
    jit::RemoveTensorMutation(pure);
  }
  if (has_composites(*pure)) pure = decomposed(pure);
  return may_write(*pure) || has_side_effects(*pure) ? nullptr : pure;
}

std::shared_ptr<PlanEntry> refused(std::string reason,
                                   const std::optional<PlanOptions>& options = std::nullopt) {
  auto entry = std::make_shared<PlanEntry>();
  entry->options = options;
  entry->reason = std::move(reason);
  return entry;
}

std::shared_ptr<PlanEntry> ready(Plan plan, const PlanOptions& options) {
  auto entry = std::make_shared<PlanEntry>();
  entry->plan = std::make_unique<const Plan>(std::move(plan));
  entry->options = options;
  return entry;
}

c10::IValue run_in(Frame& frame, const Plan& plan, const std::vector<c10::IValue>& arguments) {
  const FrameTurn turn(frame);
  return plan.run(frame, arguments);
}

/// In memory of its own.
c10::IValue run_plan(const Plan& plan, const std::vector<c10::IValue>& arguments) {
  FrameMemory memory;
  Frame frame(plan, memory);
  return run_in(frame, plan, arguments);
}

/// How long each step of a warm run takes, in microseconds.
std::vector<double> times_of(const Plan& plan, const std::vector<c10::IValue>& arguments) {
  FrameMemory memory;
  Frame frame(plan, memory);
  run_in(frame, plan, arguments);
  const FrameTurn turn(frame);
  return plan.time(frame, arguments);
}

Graph described(const PlanEntry& entry) {
  Graph graph;
  graph.notes.push_back("calls of these sizes run in LibTorch's interpreter: " + entry.reason);
  return graph;
}

/// Takes a place if it is free, and gives it back.
class Turn {
 public:
  explicit Turn(std::atomic<bool>& is_taken)
      : is_taken_(is_taken), is_mine_(!is_taken.exchange(true, std::memory_order_acquire)) {}
  ~Turn() {
    if (is_mine_) is_taken_.store(false, std::memory_order_release);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const noexcept { return is_mine_; }

 private:
  std::atomic<bool>& is_taken_;
  bool is_mine_;
};

/// Told from the plan and not by a clock: results must not depend on what else the machine does.
bool pays(const Plan& plan) {
  constexpr double kLittle = 1e6;
  double operations = 0;
  for (const Step& step : plan.steps) operations += step.operations;
  return operations > kLittle || 2 * plan.left < plan.steps.size();
}

}  // namespace

PlannedProgram::PlannedProgram(const Program& plain, const Planning& planning)
    : plain_(plain),
      planning_(planning),
      graph_(plannable(plain.frozen)),
      admission_(kMostPlans) {}

void PlannedProgram::run(std::vector<c10::IValue>& stack) {
  const std::string key = call_key(stack);
  try {
    if (std::optional<c10::IValue> result = run_planned(key, stack)) {
      stack.clear();
      stack.push_back(std::move(*result));
      return;
    }
  } catch (const Deviation& deviation) {
    note(deviation, key);
  } catch (const std::exception&) {
    // The interpreter says it with the user's own line.
  }
  plain_.run(stack);
}

std::optional<c10::IValue> PlannedProgram::run_planned(const std::string& key,
                                                       const std::vector<c10::IValue>& arguments) {
  Seat& own = seats_[number_of_this_thread() % seats_.size()];
  const Turn turn(own.is_taken);
  if (turn && own.entry && own.key == key) return own.run(arguments);
  c10::IValue made;
  std::shared_ptr<const PlanEntry> entry = find(key);
  if (!entry) {
    if (!is_admitted(key)) return std::nullopt;
    entry = entry_for(key, arguments, &made);
  }
  if (!made.isNone()) return made;
  if (turn) {
    own.take(key, std::move(entry));
    return own.run(arguments);
  }
  return entry->plan ? std::optional(run_plan(*entry->plan, arguments)) : std::nullopt;
}

void PlannedProgram::Seat::take(std::string other_key, std::shared_ptr<const PlanEntry> other) {
  leave();
  entry = std::move(other);
  key = std::move(other_key);
  if (entry->plan) frame.emplace(*entry->plan, memory);
}

void PlannedProgram::Seat::leave() {
  frame.reset();
  entry.reset();
}

std::optional<c10::IValue> PlannedProgram::Seat::run(const std::vector<c10::IValue>& arguments) {
  if (!entry->plan) return std::nullopt;
  try {
    return run_in(*frame, *entry->plan, arguments);
  } catch (const Deviation&) {
    leave();  // There will be another plan.
    throw;
  }
}

Graph PlannedProgram::describe(const std::vector<c10::IValue>& arguments, Measures measures) {
  c10::IValue result;
  const std::shared_ptr<const PlanEntry> entry = entry_for(call_key(arguments), arguments, &result);
  if (measures.errors && entry->options) return describe_errors(*entry, arguments, measures);
  if (!entry->plan) return described(*entry);
  PlanMeasures measured;
  if (measures.times) measured.microseconds = times_of(*entry->plan, arguments);
  return describe_plan(*entry->plan, *graph_, measured);
}

/// The plan is made again from a run whose tensors are kept.
Graph PlannedProgram::describe_errors(const PlanEntry& entry,
                                      const std::vector<c10::IValue>& arguments,
                                      Measures measures) {
  const std::lock_guard lock(making_);
  try {
    const Observation seen = observe(*graph_, arguments, varying_, /*keeps_tensors=*/true);
    const Plan plan = Planner(seen, *entry.options).make();
    PlanMeasures measured;
    if (measures.times) measured.microseconds = times_of(plan, arguments);
    FrameMemory memory;
    Frame frame(plan, memory);
    const FrameTurn turn(frame);
    measured.errors = plan.compare(frame, arguments, seen.tensors);
    Graph graph = describe_plan(plan, *graph_, measured);
    if (!entry.plan) graph.notes.push_back(described(entry).notes.front());
    return graph;
  } catch (const Deviation&) {
    return described(*refused("the sizes of its results differ from call to call"));
  }
}

std::shared_ptr<const PlanEntry> PlannedProgram::entry_for(
    const std::string& key, const std::vector<c10::IValue>& arguments, c10::IValue* result) {
  if (auto entry = find(key)) return entry;
  const std::lock_guard lock(making_);
  if (auto entry = find(key)) return entry;
  const std::shared_ptr<const PlanEntry> entry = make(arguments, *result);
  keep(key, entry);
  return entry;
}

bool PlannedProgram::is_admitted(const std::string& key) {
  {
    const std::shared_lock lock(mutex_);
    if (entries_.size() < kMostPlans) return true;
  }
  // With weights of fewer bits all calls are to be alike.
  return planning_.weights != compute::Format::float32 || admission_.admits(key);
}

std::shared_ptr<const PlanEntry> PlannedProgram::find(const std::string& key) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  found->second->last_use = ++uses_;
  return found->second;
}

std::shared_ptr<const PlanEntry> PlannedProgram::make(const std::vector<c10::IValue>& arguments,
                                                      c10::IValue& result) {
  if (!graph_) return refused("the method writes in place, or has other effects");
  for (std::size_t i = 0; i <= kMostVarying; ++i) {
    const Observation seen = observe(*graph_, arguments, varying_);
    try {
      return proven(seen, arguments, result);
    } catch (const Deviation& deviation) {
      varying_.insert(deviation.node);
    } catch (const std::exception& error) {
      return refused("it could not be planned: " + explain(error).text);
    }
  }
  return refused("the sizes of many results differ from call to call");
}

/// The next call of the signature gets a plan that expects nothing of that operator's results.
void PlannedProgram::note(const Deviation& deviation, const std::string& key) {
  const std::lock_guard lock(making_);
  varying_.insert(deviation.node);
  const std::unique_lock entries_lock(mutex_);
  entries_.erase(key);
}

std::shared_ptr<PlanEntry> PlannedProgram::proven(const Observation& seen,
                                                  const std::vector<c10::IValue>& arguments,
                                                  c10::IValue& result) const {
  std::string reason;
  PlanOptions options;
  for (const bool exact : {false, true}) {
    options.exact = exact;
    Plan plan = Planner(seen, options).make();
    if (plan.planned == 0) return refused("no operator has a kernel of ours");
    if (planning_.must_pay && !pays(plan)) {
      return refused("there is little to compute, and most of it LibTorch does");
    }
    const std::shared_ptr<PlanEntry> entry = ready(std::move(plan), options);
    result = run_plan(*entry->plan, arguments);
    reason = difference(result, seen.output);
    if (!reason.empty()) continue;
    if (planning_.weights == compute::Format::float32) return entry;
    return with_other_weights(seen, options, arguments, result);
  }
  result = c10::IValue();
  return refused("its results are not LibTorch's: " + reason, options);
}

std::shared_ptr<PlanEntry> PlannedProgram::with_other_weights(
    const Observation& seen, PlanOptions options, const std::vector<c10::IValue>& arguments,
    c10::IValue& result) const {
  options.weights = planning_.weights;
  std::shared_ptr<PlanEntry> entry = ready(Planner(seen, options).make(), options);
  result = run_plan(*entry->plan, arguments);
  const std::string reason = structural_difference(result, seen.output);
  if (reason.empty()) return entry;
  result = c10::IValue();
  return refused("with other weights its results are not LibTorch's: " + reason, options);
}

void PlannedProgram::keep(const std::string& key, std::shared_ptr<const PlanEntry> entry) {
  const std::unique_lock lock(mutex_);
  entry->last_use = ++uses_;
  entries_[key] = std::move(entry);
  if (entries_.size() <= kMostPlans) return;
  entries_.erase(std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& a, const auto& b) { return a.second->last_use < b.second->last_use; }));
}

}  // namespace torchship
