#pragma once

#include <ATen/core/ivalue.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "planned/memory.h"
#include "planned/plan.h"

namespace torchship {

/// What frames write to: one after the other may have it.
struct FrameMemory {
  ReusedMemory arena;
  ReusedMemory scratch;
};

/// A plan bound to the memory of one call at a time.
class Frame {
 public:
  /// Both must outlive this.
  Frame(const Plan& plan, FrameMemory& memory);

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
  FrameMemory& memory_;
  std::byte* arena_;
  std::byte* scratch_ = nullptr;
  int threads_ = 1;
  std::vector<std::byte*> bases_;    ///< By buffer.
  std::vector<at::Tensor> tensors_;  ///< What keeps arguments and results alive, by buffer.
  std::vector<BufferId> moving_;     ///< Those whose memory is another one in each call.
  std::vector<c10::IValue> slots_;
  const std::vector<c10::IValue>* arguments_ = nullptr;
};

/// A call in a frame, which lets go of what the call brought when it ends.
class FrameTurn {
 public:
  explicit FrameTurn(Frame& frame) : frame_(frame) {}
  ~FrameTurn() { frame_.end(); }
  FrameTurn(const FrameTurn&) = delete;
  FrameTurn& operator=(const FrameTurn&) = delete;

 private:
  Frame& frame_;
};

}  // namespace torchship
