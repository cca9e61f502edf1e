#include "planned/frame.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/ops/contiguous.h>

namespace torchship {

Frame::Frame(const Plan& plan, FrameMemory& memory)
    : plan_(plan),
      memory_(memory),
      arena_(memory.arena.get(plan.arena_bytes)),
      bases_(plan.buffers.size()),
      tensors_(plan.buffers.size()),
      slots_(plan.slots) {
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    if (buffer.home == Buffer::Home::arena) bases_[i] = arena_ + buffer.offset;
    if (buffer.home == Buffer::Home::constant) {
      // Only ever read; one type of pointer is enough for all.
      bases_[i] = static_cast<std::byte*>(const_cast<void*>(buffer.tensor.const_data_ptr()));
      tensors_[i] = buffer.tensor;
    }
    const bool stays = buffer.home == Buffer::Home::arena || buffer.home == Buffer::Home::constant;
    if (!stays) moving_.push_back(static_cast<BufferId>(i));
  }
}

float* Frame::scratch(int thread) const {
  return reinterpret_cast<float*>(scratch_) +
         static_cast<std::size_t>(thread) * plan_.scratch_floats;
}

bool Frame::is_in_arena(const void* address) const {
  const auto* const place = static_cast<const std::byte*>(address);
  return place >= arena_ && place < arena_ + plan_.arena_bytes;
}

void Frame::begin(const std::vector<c10::IValue>& arguments) {
  arguments_ = &arguments;
  threads_ = at::get_num_threads();
  scratch_ = memory_.scratch.get(plan_.scratch_floats * sizeof(float) *
                                 static_cast<std::size_t>(threads_));
  for (const BufferId i : moving_) {
    const Buffer& buffer = plan_.buffers[i];
    if (buffer.home == Buffer::Home::argument) {
      const at::Tensor& tensor = arguments[buffer.index].toTensor();
      tensors_[i] = tensor.is_contiguous() ? tensor : tensor.contiguous();
      bases_[i] = static_cast<std::byte*>(const_cast<void*>(tensors_[i].const_data_ptr()));
    } else if (buffer.home == Buffer::Home::result) {
      tensors_[i] = at::Tensor(at::detail::empty_cpu(buffer.sizes, at::kFloat));
      bases_[i] = static_cast<std::byte*>(tensors_[i].mutable_data_ptr());
    }
  }
}

void Frame::end() {
  for (const BufferId i : moving_) tensors_[i] = at::Tensor();
  for (c10::IValue& slot : slots_) slot = c10::IValue();
  arguments_ = nullptr;
}

}  // namespace torchship
