#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace torchship {

/// Weights as kernels like them, packed once for all plans of a model. Safe to use from several threads.
class PackedWeights {
 public:
  /// What was packed of `weights` for `use`, which says what was made of them in which sizes; made by
  /// `pack`, into memory for `floats` numbers, where it is not there yet.
  std::shared_ptr<const float> get(const std::vector<at::Tensor>& weights, const std::string& use,
                                   std::int64_t floats, const std::function<void(float*)>& pack);

 private:
  struct Entry {
    std::vector<at::Tensor> weights;  ///< Keeps the memory that the key names.
    std::shared_ptr<const float> packed;
  };

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace torchship
