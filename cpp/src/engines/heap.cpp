#include "engines/heap.h"

#include <cstddef>

#include <c10/core/CPUAllocator.h>

namespace torchship {

void keep_memory_between_calls() {
  constexpr std::size_t kBlock = std::size_t{4} << 20;
  // Not by operator new and delete, which a compiler may leave out.
  const at::DataPtr block = c10::GetCPUAllocator()->allocate(kBlock);
}

}  // namespace torchship
