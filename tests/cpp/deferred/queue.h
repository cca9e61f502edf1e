#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace torchship::test::deferred {

/// The streams of the device, by LibTorch's numbers for them. Not for several threads at once: see lock().
class Queues {
 public:
  using Work = std::function<void()>;
  /// A place in a stream: everything before it.
  struct Mark {
    std::int64_t stream = 0;
    std::size_t position = 0;
  };

  static Queues& instance();

  /// Held around everything that follows. The same thread may take it again.
  std::unique_lock<std::recursive_mutex> lock() { return std::unique_lock(mutex_); }

  void push(std::int64_t stream, Work work);
  Mark mark(std::int64_t stream) { return {stream, queues_[stream].work.size()}; }
  /// Lets a stream wait.
  void push_wait(std::int64_t stream, Mark mark);
  /// Does what is before the mark, and what that waits for.
  void work_off(Mark mark);
  void work_off_all();
  std::size_t pending(std::int64_t stream) { return mark(stream).position - queues_[stream].done; }
  /// Does the stream's next works.
  void advance(std::int64_t stream, std::size_t works) {
    work_off({stream, queues_[stream].done + works});
  }
  bool is_done(Mark mark) { return queues_[mark.stream].done >= mark.position; }

  /// Between these, what is pushed to the stream is kept, and not done.
  void begin_capture(std::int64_t stream);
  std::vector<Work> end_capture(std::int64_t stream);
  bool is_capturing(std::int64_t stream) const { return captures_.contains(stream); }

 private:
  struct Queue {
    std::vector<Work> work;
    std::size_t done = 0;
  };

  std::recursive_mutex mutex_;
  std::map<std::int64_t, Queue> queues_;
  std::map<std::int64_t, std::vector<Work>> captures_;
};

}  // namespace torchship::test::deferred
