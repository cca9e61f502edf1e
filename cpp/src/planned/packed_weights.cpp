#include "planned/packed_weights.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

namespace torchship {
namespace {

struct Cache {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<PackedWeights>> entries;
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

}  // namespace

PackedWeights::PackedWeights(std::vector<at::Tensor> weights, std::int64_t floats,
                             std::function<void(float*)> pack)
    : weights_(std::move(weights)),
      memory_(allocate_memory(
          std::max<std::size_t>(static_cast<std::size_t>(floats) * sizeof(float), 1))),
      pack_(std::move(pack)) {}

void PackedWeights::make() {
  std::call_once(made_, [&] {
    const c10::InferenceMode inference;
    pack_(reinterpret_cast<float*>(memory_.get()));
    pack_ = nullptr;
  });
}

std::shared_ptr<PackedWeights> packed_weights(const std::vector<at::Tensor>& weights,
                                              const std::string& use, std::int64_t floats,
                                              const std::function<void(float*)>& pack) {
  const std::string key = key_of(weights, use);
  const std::lock_guard lock(cache().mutex);
  auto& entries = cache().entries;
  if (const auto found = entries.find(key); found != entries.end()) {
    if (auto packed = found->second.lock()) return packed;
  }
  std::erase_if(entries, [](const auto& entry) { return entry.second.expired(); });
  auto packed = std::make_shared<PackedWeights>(weights, floats, pack);
  entries[key] = packed;
  return packed;
}

}  // namespace torchship
