#include "planned/packed_weights.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>

#include "planned/memory.h"

namespace torchship {
namespace {

struct Packed {
  std::vector<at::Tensor> weights;  ///< Keep the addresses that the key names.
  Memory memory;
};

struct Cache {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const Packed>> entries;
};

Cache& cache() {
  static auto* const made = new Cache;  // Models may outlive static objects.
  return *made;
}

std::string key_of(const std::vector<at::Tensor>& weights, const std::string& use) {
  std::string key = use;
  for (const at::Tensor& weight : weights) {
    const void* const address = weight.defined() ? weight.const_data_ptr() : nullptr;
    key += ' ' + std::to_string(reinterpret_cast<std::uintptr_t>(address));
  }
  return key;
}

std::shared_ptr<const float> elements(const std::shared_ptr<const Packed>& packed) {
  return {packed, reinterpret_cast<const float*>(packed->memory.get())};
}

}  // namespace

std::shared_ptr<const float> packed_weights(const std::vector<at::Tensor>& weights,
                                            const std::string& use, std::int64_t floats,
                                            const std::function<void(float*)>& pack) {
  const std::string key = key_of(weights, use);
  const std::lock_guard lock(cache().mutex);
  auto& entries = cache().entries;
  if (const auto found = entries.find(key); found != entries.end()) {
    if (const auto packed = found->second.lock()) return elements(packed);
  }
  std::erase_if(entries, [](const auto& entry) { return entry.second.expired(); });
  auto packed = std::make_shared<Packed>();
  packed->weights = weights;
  packed->memory =
      allocate_memory(std::max<std::size_t>(static_cast<std::size_t>(floats) * sizeof(float), 1));
  pack(reinterpret_cast<float*>(packed->memory.get()));
  entries[key] = packed;
  return elements(packed);
}

}  // namespace torchship
