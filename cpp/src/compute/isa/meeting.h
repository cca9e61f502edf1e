#pragma once

// Note [Meetings]
// The threads of a recurrent stack meet after each step: what one has written before, the others may
// read afterwards. Each counts its meetings in memory that it alone writes, and waits until the
// others' counts are no less than its own; counts only rise, so one that is ahead is no danger. A
// thread that must wait for long lets others have its core: the one it waits for may be among them.

#include <sched.h>

#include <cstdint>

#include "compute/isa/vector.h"
#include "compute/recurrent.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// One thread's part in the meetings of a team and in those of its group: threads whose indices have
/// the same remainder.
class Member {
 public:
  Member(RecurrentProgress* progress, Share share, int groups)
      : progress_(progress), share_(share), groups_(groups) {}

  int group() const { return share_.index % groups_; }
  /// Of the group.
  Share part() const {
    return {share_.index / groups_, (share_.count - group() + groups_ - 1) / groups_};
  }
  bool is_alone() const { return part().count == 1; }

  void meet_group() { meet(&RecurrentProgress::of_group, group(), groups_); }
  void meet_team() { meet(&RecurrentProgress::of_team, 0, 1); }

 private:
  static constexpr int kSpins = 60;  // About two microseconds.

  static void pause() {
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  void meet(std::uint32_t RecurrentProgress::*count, int first, int stride) {
    if (share_.count == 1) return;
    std::uint32_t& own = progress_[share_.index].*count;
    const std::uint32_t meetings = own + 1;
    __atomic_store_n(&own, meetings, __ATOMIC_RELEASE);
    for (int other = first; other < share_.count; other += stride) {
      if (other != share_.index) wait_for(progress_[other].*count, meetings);
    }
  }

  static void wait_for(const std::uint32_t& count, std::uint32_t meetings) {
    for (int spins = 0; __atomic_load_n(&count, __ATOMIC_ACQUIRE) < meetings; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        (void)sched_yield();
      }
    }
  }

  RecurrentProgress* progress_;
  Share share_;
  int groups_;
};

}  // namespace torchship::compute::TORCHSHIP_LEVEL
