#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include "graphs/stand_in.h"

namespace torchship {

/// An activation that runs together with the layer before it.
///
/// oneDNN's relu and hardsigmoid make a number of a NaN, and a right-looking answer of a broken input:
/// relu is applied to the layer's result instead, hardsigmoid left where it is.
struct Activation {
  std::string_view name;       ///< As oneDNN's operators of LibTorch have it: "gelu".
  std::string_view algorithm;  ///< "none" or "tanh"; of gelu only.
};

/// The activation of that name; "none" for none, "gelu_tanh" for gelu with tanh.
Activation activation_named(std::string_view name);

/// Whether oneDNN may compute it.
bool fits_onednn(std::string_view name);

/// Changes a tensor in place as the activation says.
void activate(at::Tensor& tensor, std::string_view name);

/// The only use of a layer's result, if it is such an activation, and its name.
struct FollowingActivation {
  torch::jit::Node* node;
  std::string name;
};
std::optional<FollowingActivation> activation_after(const torch::jit::Value& result);

/// Puts a kernel into a graph in the place of a layer, which people know as `known_as`, and of the
/// activation after it, if there is one.
void take_place(torch::jit::Node* kernel, torch::jit::Node* layer, const Original& known_as,
                const std::optional<FollowingActivation>& activation);

}  // namespace torchship
