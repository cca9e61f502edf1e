#include "planned/packed_weights.h"

#include <algorithm>
#include <cstdint>
#include <cstddef>

#include "planned/memory.h"

namespace torchship {

std::shared_ptr<const float> PackedWeights::get(const std::vector<at::Tensor>& weights,
                                                const std::string& use, std::int64_t floats,
                                                const std::function<void(float*)>& pack) {
  std::string key = use;
  for (const at::Tensor& weight : weights) {
    const void* const address = weight.defined() ? weight.const_data_ptr() : nullptr;
    key += ' ' + std::to_string(reinterpret_cast<std::uintptr_t>(address));
  }
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[key];
  if (!entry.packed) {
    const std::shared_ptr<std::byte> memory =
        allocate_memory(std::max<std::size_t>(static_cast<std::size_t>(floats) * sizeof(float), 1));
    auto* const packed = reinterpret_cast<float*>(memory.get());
    pack(packed);
    entry = {weights, std::shared_ptr<const float>(memory, packed)};
  }
  return entry.packed;
}

}  // namespace torchship
