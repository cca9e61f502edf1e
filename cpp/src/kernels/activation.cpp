#include "kernels/activation.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>
#include <torch/csrc/jit/ir/constants.h>

namespace torchship {
namespace {

/// Calling LibTorch takes longer than this many elements.
constexpr std::int64_t kFew = 512;

void relu(at::Tensor& tensor) {
  const bool is_simple = tensor.scalar_type() == at::kFloat && tensor.device().is_cpu() &&
                         tensor.is_non_overlapping_and_dense();
  if (!is_simple || tensor.numel() > kFew) {
    at::relu_(tensor);
    return;
  }
  float* const values = tensor.mutable_data_ptr<float>();
  const std::int64_t count = tensor.numel();
  // What is no number stays so, as in LibTorch.
  for (std::int64_t i = 0; i < count; ++i) values[i] = values[i] < 0 ? 0 : values[i];
}

}  // namespace

namespace jit = torch::jit;

Activation activation_named(std::string_view name) {
  if (name == "gelu") return {.name = "gelu", .algorithm = "none"};
  if (name == "gelu_tanh") return {.name = "gelu", .algorithm = "tanh"};
  if (name == "silu") return {.name = "swish", .algorithm = {}};
  return {.name = name, .algorithm = {}};
}

bool fits_onednn(std::string_view name) { return name != "relu"; }

void activate(at::Tensor& tensor, std::string_view name) {
  if (name == "none") return;
  if (name == "relu") relu(tensor);
  if (name == "gelu") at::gelu_(tensor, "none");
  if (name == "gelu_tanh") at::gelu_(tensor, "tanh");
  if (name == "silu") at::silu_(tensor);
  if (name == "hardswish") at::hardswish_(tensor);
  if (name == "sigmoid") at::sigmoid_(tensor);
  if (name == "tanh") at::tanh_(tensor);
}

std::optional<FollowingActivation> activation_after(const jit::Value& result) {
  if (result.uses().size() != 1) return std::nullopt;
  jit::Node* node = result.uses().front().user;
  switch (node->kind()) {
    case c10::aten::relu: return FollowingActivation{node, "relu"};
    case c10::aten::hardswish: return FollowingActivation{node, "hardswish"};
    case c10::aten::sigmoid: return FollowingActivation{node, "sigmoid"};
    case c10::aten::silu: return FollowingActivation{node, "silu"};
    case c10::aten::tanh: return FollowingActivation{node, "tanh"};
    case c10::aten::gelu: break;
    default: return std::nullopt;
  }
  const auto approximate = node->inputs().size() == 2 ? jit::toIValue(node->input(1)) : std::nullopt;
  if (!approximate || !approximate->isString()) return std::nullopt;
  const bool tanh = approximate->toStringRef() == "tanh";
  return FollowingActivation{node, tanh ? "gelu_tanh" : "gelu"};
}

void take_place(jit::Node* kernel, jit::Node* layer, const Original& known_as,
                const std::optional<FollowingActivation>& activation) {
  jit::Node* const last = activation ? activation->node : layer;
  kernel->insertBefore(layer);
  kernel->copyMetadata(layer);
  kernel->output()->setType(layer->output()->type());
  kernel->output()->copyMetadata(last->output());
  if (activation) {
    stand_in(kernel, {layer, activation->node});
  } else {
    stand_in(kernel, known_as);
  }
  last->output()->replaceAllUsesWith(kernel->output());
  if (activation) activation->node->destroy();
  layer->destroy();
}

}  // namespace torchship
