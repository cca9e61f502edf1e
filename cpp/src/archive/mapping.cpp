#include "archive/mapping.h"

#include <limits>

#include <sys/mman.h>

namespace torchship {

std::shared_ptr<const Mapping> Mapping::of(int descriptor, std::uint64_t size, Use use) {
  if (size == 0 || size > std::numeric_limits<std::size_t>::max()) return nullptr;
  // Pages that nobody writes to take no memory of this process: none is reserved.
  const int protection = PROT_READ | (use == Use::write ? PROT_WRITE : 0);
  void* const start =
      ::mmap(nullptr, size, protection, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  if (start == MAP_FAILED) return nullptr;
  return std::shared_ptr<const Mapping>(
      new Mapping(std::span(static_cast<char*>(start), static_cast<std::size_t>(size))));
}

Mapping::~Mapping() { ::munmap(bytes_.data(), bytes_.size()); }

}  // namespace torchship
