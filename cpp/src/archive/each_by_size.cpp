#include "archive/each_by_size.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>
#include <vector>

namespace torchship {
namespace {

std::size_t threads_for(std::span<const std::uint64_t> sizes, std::uint64_t bytes_a_thread) {
  constexpr std::size_t kMost = 8;
  const std::uint64_t bytes = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t items = std::max<std::size_t>(1, sizes.size());
  return std::clamp<std::uint64_t>(bytes / bytes_a_thread, 1, std::min({kMost, cores, items}));
}

class Queue {
 public:
  Queue(std::span<const std::uint64_t> sizes, const std::function<void(std::size_t)>& work)
      : work_(work), order_(sizes.size()), failed_(sizes.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  }

  void run() noexcept {
    for (std::size_t next = next_++; next < order_.size(); next = next_++) {
      const std::size_t item = order_[next];
      if (item >= failed_) continue;
      try {
        work_(item);
      } catch (...) {
        fail(item);
      }
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void fail(std::size_t item) noexcept {
    const std::lock_guard lock(mutex_);
    if (item >= failed_) return;
    failed_ = item;
    error_ = std::current_exception();
  }

  const std::function<void(std::size_t)>& work_;
  std::vector<std::size_t> order_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> failed_;  ///< The first item that failed.
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void each_by_size(std::span<const std::uint64_t> sizes, std::uint64_t bytes_a_thread,
                  const std::function<void(std::size_t)>& work) {
  Queue queue(sizes, work);
  {
    std::vector<std::jthread> helpers;
    try {
      for (std::size_t i = 1; i < threads_for(sizes, bytes_a_thread); ++i) {
        helpers.emplace_back([&] { queue.run(); });
      }
    } catch (const std::system_error&) {
      // No thread to be had: those that are there do the work.
    }
    queue.run();
  }
  queue.rethrow();
}

}  // namespace torchship
