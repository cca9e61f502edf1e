#include "weights/record_memory.h"

#include <cstring>
#include <optional>
#include <string_view>

#include <c10/core/CPUAllocator.h>

namespace torchship {
namespace {

/// What LibTorch's own allocator gives, and its fastest kernels ask for.
constexpr std::uintptr_t kAlignment = 64;

/// Bytes in a mapping, which they keep.
at::DataPtr in_place(std::string_view bytes, const std::shared_ptr<const Mapping>& mapping) {
  using Owner = std::shared_ptr<const Mapping>;
  char* const start = mapping->bytes().data() + (bytes.data() - mapping->bytes().data());
  return {start, new Owner(mapping), [](void* owner) { delete static_cast<Owner*>(owner); },
          at::kCPU};
}

}  // namespace

at::DataPtr RecordMemory::of(const ZipEntry& entry) const {
  if (mapping_) {
    const std::optional<std::string_view> bytes = zip_.view(entry, mapping_->bytes());
    if (bytes && reinterpret_cast<std::uintptr_t>(bytes->data()) % kAlignment == 0) {
      return in_place(*bytes, mapping_);
    }
  }
  return copied(entry);
}

at::DataPtr RecordMemory::copied(const ZipEntry& entry) const {
  at::DataPtr memory = c10::GetCPUAllocator()->allocate(entry.size);
  char* const start = static_cast<char*>(memory.get());
  if (!entry.deflated) {
    zip_.file().read(zip_.data_offset(entry), {start, entry.size});
    return memory;
  }
  std::size_t done = 0;
  zip_.stream_unchecked(entry, [&](std::string_view piece) {
    std::memcpy(start + done, piece.data(), piece.size());
    done += piece.size();
  });
  return memory;
}

}  // namespace torchship
