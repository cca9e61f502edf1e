#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "engines/program.h"

namespace torchship {

// Note [Replicas]
// LibTorch counts references with atomic numbers. Where several threads run one small program, the
// counts of its constants travel from core to core and take longer than its work. So each thread, up to
// a few, gets a program with counts of its own; weights stay where they are. The first thread has the
// first program, and pays nothing; others make theirs in their first call. Large programs have
// enough else to do.

/// A program for any number of threads.
class ReplicatedProgram {
 public:
  explicit ReplicatedProgram(Program program);

  const Program& first() const noexcept { return first_; }
  /// The one for the calling thread.
  const Program& here() const;

 private:
  static constexpr std::size_t kMost = 16;

  const Program& make(std::size_t place) const;

  Program first_;
  bool is_small_;
  mutable std::array<std::atomic<const Program*>, kMost> made_{};  ///< Read without the lock.
  mutable std::mutex mutex_;
  mutable bool first_is_taken_ = false;
  mutable std::vector<std::unique_ptr<const Program>> owned_;
};

}  // namespace torchship
