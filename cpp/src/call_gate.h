#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>
#include <vector>

#include <torchship/model.h>

namespace torchship {

/// What a call of a model passes: how many calls run at once, on how many threads each, and on which
/// cores. Safe to use from any number of threads.
///
/// Note [Threads of a model]
/// LibTorch's number of threads is, with OpenMP, a property of the calling thread. A call sets it
/// before and sets it back after, which takes some nanoseconds and is seen by nobody else;
/// at::set_num_threads() would change it for threads to come, and empty oneDNN's caches.
/// Without a number of its own, a model shares the caller's number between the calls that run at that
/// moment: one caller has all cores, as many callers as cores have one each, and threads never
/// fight for cores.
class CallGate {
 public:
  /// Throws EngineError for numbers that make no sense, and cores that this process may not use.
  explicit CallGate(const LoadOptions& options);
  ~CallGate();
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  /// A call between entering and leaving.
  class Turn {
   public:
    explicit Turn(const CallGate& gate);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    struct Affinity;
    void set_threads(int count);
    void pin();

    const CallGate& gate_;
    int threads_before_ = 0;  ///< 0 where nothing was set.
    int mkl_before_ = 0;
    std::unique_ptr<const Affinity> affinity_before_;
  };

 private:
  struct Cores;

  int threads_ = 0;
  std::unique_ptr<std::counting_semaphore<>> places_;  ///< Null without a limit.
  std::unique_ptr<const Cores> cores_;                 ///< Null where calls are not pinned.
  mutable std::atomic<int> running_ = 0;
};

}  // namespace torchship
