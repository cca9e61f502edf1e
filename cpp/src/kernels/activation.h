#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// An activation that oneDNN computes together with the layer before it.
///
/// relu and hardsigmoid are not among them: oneDNN's make a number of a NaN, and a wrong answer of a
/// broken input. They run in place after the layer (reuse.h).
struct Activation {
  std::string_view name;       ///< As oneDNN's operators of LibTorch have it: "gelu".
  std::string_view algorithm;  ///< "none" or "tanh"; of gelu only.
};

/// The activation of that name; "none" for none, "gelu_tanh" for gelu with tanh.
Activation activation_named(std::string_view name);

/// Changes a tensor in place as the activation says.
void activate(at::Tensor& tensor, std::string_view name);

/// The only use of a layer's result, if it is such an activation, and its name.
struct FollowingActivation {
  torch::jit::Node* node;
  std::string name;
};
std::optional<FollowingActivation> activation_after(const torch::jit::Value& result);

}  // namespace torchship
