#include "planned/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace torchship {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void FreeMemory::operator()(void* memory) const { std::free(memory); }

Memory allocate_memory(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (alignment == kHugePage)
    madvise(memory, rounded, MADV_HUGEPAGE);  // A wish: failure is no matter.
#endif
  return Memory(static_cast<std::byte*>(memory));
}

std::byte* ReusedMemory::get(std::size_t bytes) {
  if (bytes > bytes_) {
    memory_.reset();  // Both at once would be twice as much.
    bytes_ = 0;
    memory_ = allocate_memory(bytes);
    bytes_ = bytes;
  }
  return memory_.get();
}

}  // namespace torchship
