#include "call_gate.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <sched.h>

#include <ATen/Parallel.h>
#include <torchship/error.h>

#include "team.h"

// Of the OpenMP runtime and of the MKL that LibTorch was built with; null where it has neither.
extern "C" {
[[gnu::weak]] void omp_set_num_threads(int count);
[[gnu::weak]] int MKL_Set_Num_Threads_Local(int count);
}

namespace torchship {
namespace {

constexpr int kMostThreads = 1024;

/// Tells gates apart that had the same address one after the other.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

bool can_set_threads() { return omp_set_num_threads != nullptr; }

void require_number(int number, const char* what) {
  if (number >= 0 && number <= kMostThreads) return;
  throw EngineError(std::string(what) + " must be from 1 to " + std::to_string(kMostThreads) +
                    ", or 0 for the default, not " + std::to_string(number));
}

cpu_set_t allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  return set;
}

std::string names_of(const cpu_set_t& set) {
  std::string names;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) names += (names.empty() ? "" : ", ") + std::to_string(core);
  }
  return names;
}

/// The calling thread's helpers outlive its calls, and stay where a model moved them.
struct Helpers {
  std::uint64_t moved_for = 0;  ///< The number of its Cores; 0 where they are the caller's.
  int count = 0;
};
thread_local Helpers helpers;

void move_helpers(int count, const cpu_set_t& set) {
  run_team(count, [&](compute::Share) { sched_setaffinity(0, sizeof(set), &set); });
}

}  // namespace

struct CallGate::Cores {
  cpu_set_t set;
  int count;
  std::uint64_t number = next_number();
};

struct CallGate::Turn::Affinity {
  cpu_set_t set;
};

CallGate::CallGate(const LoadOptions& options) : threads_(options.threads) {
  require_number(options.threads, "threads");
  require_number(options.max_concurrent_calls, "max_concurrent_calls");
  if (options.threads > 0 && !can_set_threads()) {
    throw EngineError("this LibTorch is built without OpenMP: a model cannot have threads of its own");
  }
  if (options.max_concurrent_calls > 0) {
    places_ = std::make_unique<std::counting_semaphore<>>(options.max_concurrent_calls);
  }
  if (options.cores.empty()) return;
  const cpu_set_t allowed = allowed_cores();
  Cores cores{.set = {}, .count = 0};
  for (const int core : options.cores) {
    if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET(core, &allowed)) {
      throw EngineError("core " + std::to_string(core) + " cannot be used",
                        "this process may use the cores " + names_of(allowed));
    }
    CPU_SET(core, &cores.set);
  }
  cores.count = CPU_COUNT(&cores.set);
  cores_ = std::make_unique<const Cores>(cores);
}

CallGate::~CallGate() = default;

CallGate::Turn::Turn(const CallGate& gate) : gate_(gate) {
  if (gate.places_) gate.places_->acquire();
  // Counting is work for all cores together: it is left out where the number is not needed.
  const int running =
      gate.threads_ > 0 ? 1 : gate.running_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!can_set_threads()) return;
  const int callers = at::get_num_threads();
  const int all = gate.cores_ ? gate.cores_->count : callers;
  const int wanted = gate.threads_ > 0 ? gate.threads_ : std::max(1, all / running);
  if (wanted != callers) {
    threads_before_ = callers;
    set_threads(wanted);
  }
  if (gate.cores_) {
    pin();
  } else if (helpers.moved_for != 0) {
    move_helpers(helpers.count, allowed_cores());
    helpers = {};
  }
}

CallGate::Turn::~Turn() {
  if (affinity_before_) sched_setaffinity(0, sizeof(cpu_set_t), &affinity_before_->set);
  if (threads_before_ > 0) {
    omp_set_num_threads(threads_before_);
    if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(mkl_before_);
  }
  if (gate_.threads_ == 0) gate_.running_.fetch_sub(1, std::memory_order_relaxed);
  if (gate_.places_) gate_.places_->release();
}

void CallGate::Turn::set_threads(int count) {
  omp_set_num_threads(count);
  if (MKL_Set_Num_Threads_Local != nullptr) mkl_before_ = MKL_Set_Num_Threads_Local(count);
}

void CallGate::Turn::pin() {
  const Cores& cores = *gate_.cores_;
  const cpu_set_t before = allowed_cores();
  if (CPU_EQUAL(&before, &cores.set) == 0) {
    affinity_before_ = std::make_unique<const Affinity>(Affinity{before});
    sched_setaffinity(0, sizeof(cores.set), &cores.set);
  }
  const int threads = at::get_num_threads();
  if (helpers.moved_for == cores.number && helpers.count >= threads) return;
  move_helpers(threads, cores.set);
  helpers = {.moved_for = cores.number, .count = threads};
}

}  // namespace torchship
