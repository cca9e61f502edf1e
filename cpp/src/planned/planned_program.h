#pragma once

#include <ATen/core/ivalue.h>
#include <torchship/graph.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "compute/matrix.h"
#include "engines/engine.h"
#include "engines/program.h"
#include "planned/admission.h"
#include "planned/frame.h"
#include "planned/observation.h"
#include "planned/plan.h"
#include "planned/planner.h"

namespace torchship {

/// Which plans are made.
struct Planning {
  bool must_pay = false;  ///< Only those with enough to do for kernels.
  compute::Format weights = compute::Format::float32;  ///< Of linear layers.
};

/// Of one method, for arguments of one signature: a plan, or why there is none.
struct PlanEntry {
  std::unique_ptr<const Plan> plan;
  std::optional<PlanOptions> options;  ///< With which one was made, if it came to that.
  std::string reason;                  ///< Why calls go to LibTorch; empty where there is a plan.
  mutable std::atomic<std::uint64_t> last_use = 0;
};

/// The plans of one method that writes no state. Safe to use from several threads.
///
/// There is a plan for each signature of a call (dtypes and sizes), made when it comes for the
/// first time: that call runs in LibTorch, which shows what there is to plan, and then in the plan,
/// which must give the same within the tolerance of the dtype. Whatever is refused, or deviates,
/// runs in LibTorch; so do sizes that come too seldom for a plan of their own, once there are many.
class PlannedProgram {
 public:
  /// `plain` must outlive this.
  PlannedProgram(const Program& plain, const Planning& planning);

  /// Takes the arguments, the module first, off the stack and leaves the results. In inference
  /// mode.
  void run(std::vector<c10::IValue>& stack);

  /// What runs for these arguments, planned now if need be, with measures of a run. The graph has
  /// no body where there is no plan, and a note that says why; with errors, that of a plan that was
  /// refused for its results. In inference mode.
  Graph describe(const std::vector<c10::IValue>& arguments, Measures measures);

 private:
  // Note [Seats]
  // A lock or a count of references that all threads share takes longer than a small model. So each
  // thread, up to a few, has a seat with the plan that it ran last and a frame of its own, and
  // touches nothing of the others'.
  struct alignas(64) Seat {
    std::atomic<bool> is_taken =
        false;  ///< By the call that runs: two threads of one number may want it.
    FrameMemory memory;
    std::string key;
    std::shared_ptr<const PlanEntry> entry;
    std::optional<Frame> frame;

    void take(std::string other_key, std::shared_ptr<const PlanEntry> other);
    void leave();
    /// Of the entry's plan, if it has one.
    std::optional<c10::IValue> run(const std::vector<c10::IValue>& arguments);
  };

  /// The result, if there is a plan.
  std::optional<c10::IValue> run_planned(const std::string& key,
                                         const std::vector<c10::IValue>& arguments);

  /// The entry of that key. Made now if need be: then `result` is that of the call, if there is a
  /// plan.
  std::shared_ptr<const PlanEntry> entry_for(const std::string& key,
                                             const std::vector<c10::IValue>& arguments,
                                             c10::IValue* result);
  std::shared_ptr<const PlanEntry> find(const std::string& key) const;
  /// Whether a plan is to be made for arguments that have none.
  bool is_admitted(const std::string& key);
  std::shared_ptr<const PlanEntry> make(const std::vector<c10::IValue>& arguments,
                                        c10::IValue& result);
  void keep(const std::string& key, std::shared_ptr<const PlanEntry> entry);
  void note(const Deviation& deviation, const std::string& key);
  Graph describe_errors(const PlanEntry& entry, const std::vector<c10::IValue>& arguments,
                        Measures measures);
  /// A plan that gives what LibTorch gave, and its result; or why there is none.
  std::shared_ptr<PlanEntry> proven(const Observation& seen,
                                    const std::vector<c10::IValue>& arguments,
                                    c10::IValue& result) const;
  /// The same with weights of fewer bits, which gives something else.
  std::shared_ptr<PlanEntry> with_other_weights(const Observation& seen, PlanOptions options,
                                                const std::vector<c10::IValue>& arguments,
                                                c10::IValue& result) const;

  const Program& plain_;
  Planning planning_;
  std::shared_ptr<torch::jit::Graph> graph_;  ///< Without effects; null where it has some.
  mutable std::shared_mutex mutex_;           ///< Of entries_.
  std::mutex making_;                         ///< One plan is made at a time; of varying_.
  std::map<std::string, std::shared_ptr<const PlanEntry>> entries_;
  Admission admission_;
  VaryingNodes varying_;
  std::array<Seat, 16> seats_;
  mutable std::atomic<std::uint64_t> uses_ = 0;
};

}  // namespace torchship
