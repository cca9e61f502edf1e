#pragma once

#include <cstddef>
#include <memory>

namespace torchship {

struct FreeMemory {
  void operator()(void* memory) const;
};
/// Aligned to cache lines; what is large is aligned to huge pages, and wants them: walking through
/// weights is half as fast again then. Null for 0 bytes.
using Memory = std::unique_ptr<std::byte, FreeMemory>;

/// Throws std::bad_alloc.
Memory allocate_memory(std::size_t bytes);

/// Memory that is kept for whoever needs as much or less next.
class ReusedMemory {
 public:
  /// At least so many bytes, whose content is not kept. Throws std::bad_alloc.
  std::byte* get(std::size_t bytes);

 private:
  Memory memory_;
  std::size_t bytes_ = 0;
};

}  // namespace torchship
