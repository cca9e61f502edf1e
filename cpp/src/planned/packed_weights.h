#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "planned/memory.h"

namespace torchship {

// Note [Packed weights]
// What kernels read is a copy of the weights, so the models of one file, whose weights lie in one
// place, share it as they share the file's pages: there is one cache for the process. It holds
// nothing itself; with the last plan that reads them the copies are gone.

/// A copy that is made when it is asked for first, by whichever thread asks.
class PackedWeights {
 public:
  PackedWeights(std::vector<at::Tensor> weights, std::int64_t floats,
                std::function<void(float*)> pack);

  /// Where the copy is, or will be.
  const float* data() const noexcept { return reinterpret_cast<const float*>(memory_.get()); }
  /// Makes it, or waits until the thread has that makes it.
  void make();

 private:
  std::vector<at::Tensor> weights_;  ///< Keep the addresses that the cache knows them by.
  Memory memory_;
  std::function<void(float*)> pack_;
  std::once_flag made_;
};

/// What is packed of `weights` for `use`, which says what is made of them in which sizes; `pack`,
/// which must keep what it reads, makes it in memory for `floats` numbers. Safe to call from
/// several threads.
std::shared_ptr<PackedWeights> packed_weights(const std::vector<at::Tensor>& weights,
                                              const std::string& use, std::int64_t floats,
                                              const std::function<void(float*)>& pack);

}  // namespace torchship
