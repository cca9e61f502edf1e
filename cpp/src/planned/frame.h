#pragma once

#include <ATen/core/ivalue.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "planned/memory.h"
#include "planned/plan.h"

namespace torchship {

/// The memory of one call that is under way.
class Frame {
 public:
  explicit Frame(const Plan& plan);

  float* at(const Array& array) const {
    return reinterpret_cast<float*>(bases_[array.buffer]) + array.offset;
  }
  c10::IValue& slot(std::size_t index) { return slots_[index]; }
  const c10::IValue& argument(std::size_t index) const { return (*arguments_)[index]; }
  const std::vector<c10::IValue>& arguments() const { return *arguments_; }
  int threads() const noexcept { return threads_; }
  /// For the thread of that index: aligned, of the plan's size.
  float* scratch(int thread) const;
  bool is_in_arena(const void* address) const;

  void set_base(BufferId buffer, void* base) { bases_[buffer] = static_cast<std::byte*>(base); }
  at::Tensor& tensor(BufferId buffer) { return tensors_[buffer]; }

  /// Binds the memory that changes from call to call.
  void begin(const std::vector<c10::IValue>& arguments);
  void end();

 private:
  const Plan& plan_;
  Memory arena_;
  Memory scratch_;
  int scratch_threads_ = 0;
  int threads_ = 1;
  std::vector<std::byte*> bases_;    ///< By buffer.
  std::vector<at::Tensor> tensors_;  ///< What keeps arguments and results alive, by buffer.
  std::vector<BufferId> moving_;     ///< Those whose memory is another one in each call.
  std::vector<c10::IValue> slots_;
  const std::vector<c10::IValue>* arguments_ = nullptr;
};

/// Frames that are not in use. As many are made as there were calls at once.
class FramePool {
 public:
  explicit FramePool(const Plan& plan) : plan_(plan) {}

  class Lease {
   public:
    explicit Lease(FramePool& pool) : pool_(pool), frame_(pool.take()) {}
    ~Lease() { pool_.put(std::move(frame_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Frame& operator*() { return *frame_; }

   private:
    FramePool& pool_;
    std::unique_ptr<Frame> frame_;
  };

 private:
  std::unique_ptr<Frame> take();
  void put(std::unique_ptr<Frame> frame);

  const Plan& plan_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame>> free_;
};

}  // namespace torchship
