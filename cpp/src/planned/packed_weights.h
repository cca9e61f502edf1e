#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace torchship {

// Note [Packed weights]
// What kernels read is a copy of the weights, so the models of one file, whose weights lie in one
// place, share it as they share the file's pages: there is one cache for the process. It holds
// nothing itself; with the last plan that reads them the copies are gone.

/// What was packed of `weights` for `use`, which says what was made of them in which sizes; made by
/// `pack`, into memory for `floats` numbers, where it is not there yet. Safe to call from several
/// threads.
std::shared_ptr<const float> packed_weights(const std::vector<at::Tensor>& weights,
                                            const std::string& use, std::int64_t floats,
                                            const std::function<void(float*)>& pack);

}  // namespace torchship
