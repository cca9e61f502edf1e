#pragma once

#include <unordered_set>

#include <ATen/core/Tensor.h>

namespace torchship {

/// Storages that belong to a model: results must not hand them out.
using Storages = std::unordered_set<const void*>;

/// Turns a tensor that an engine computed in inference mode into the caller's own: no alias of the
/// model's storages, and an ordinary tensor.
///
/// Note [Results are ordinary tensors]
/// Tensors made in inference mode refuse to be changed in place outside of it and cannot take part
/// in autograd, which would surprise whoever gets one. A new tensor over the same storage, made
/// outside of inference mode, costs 0.1 us and has neither limit. To be called outside of it.
at::Tensor hand_out(const at::Tensor& result, const Storages& owned);

}  // namespace torchship
