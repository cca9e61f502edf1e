#include "planned/composites.h"

#include <torch/csrc/jit/ir/constants.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

c10::Symbol symbol(const char* name) { return c10::Symbol::fromQualString(name); }

template <typename T>
std::optional<T> constant(const jit::Value* value) {
  return jit::constant_as<T>(value);
}

bool is_none(const jit::Value* value) { return value->mustBeNone(); }

/// Weights and mask of self-attention, as arguments of a node.
struct SelfAttention {
  jit::Value* input = nullptr;
  std::int64_t width = 0, heads = 0;
  jit::Value *weight = nullptr, *bias = nullptr;  ///< Of q, k and v, one after the other.
  jit::Value *out_weight = nullptr, *out_bias = nullptr;
  jit::Value* mask = nullptr;  ///< Null where there is none.
  /// 0: [rows, columns]; 1: [batch, columns]; 2: [batch, heads, rows, columns].
  std::int64_t mask_type = 0;
};

/// Writes operators in front of a node.
class Writer {
 public:
  explicit Writer(jit::Node* node) : graph_(*node->owningGraph()), node_(node), point_(node) {}

  jit::Value* call(const char* name, const std::vector<jit::NamedValue>& arguments,
                   const std::vector<jit::NamedValue>& named = {}) {
    jit::Value* const made = graph_.insert(symbol(name), arguments, named);
    made->node()->setSourceRange(node_->sourceRange());
    made->node()->setScope(node_->scope());
    return made;
  }

  jit::Value* linear(jit::Value* input, jit::Value* weight, jit::Value* bias) {
    return call("aten::linear", {input, weight, bias});
  }

  /// torch/nn/functional.py, multi_head_attention_forward; inputs are [batch, rows, width].
  jit::Value* attention(const SelfAttention& layer) {
    const std::vector<std::int64_t> parts = {3, layer.heads, layer.width / layer.heads};
    jit::Value* projected = linear(layer.input, layer.weight, layer.bias);
    projected = call("aten::unflatten", {projected, -1, parts});
    projected = call("aten::permute", {projected, std::vector<std::int64_t>{2, 0, 3, 1, 4}});
    std::vector<jit::NamedValue> arguments;
    for (const int part : {0, 1, 2})
      arguments.emplace_back(call("aten::select", {projected, 0, part}));
    if (layer.mask != nullptr) arguments.emplace_back(summand(layer));
    jit::Value* seen = call("aten::scaled_dot_product_attention", arguments);
    seen = call("aten::transpose", {seen, 1, 2});
    return linear(call("aten::flatten", {seen, 2, 3}), layer.out_weight, layer.out_bias);
  }

 private:
  /// What is not 0 in the mask is not to be seen (aten/src/ATen/native/transformers/attention.cpp).
  jit::Value* summand(const SelfAttention& layer) {
    const auto dtype = static_cast<std::int64_t>(at::kFloat);
    jit::Value* const zeros =
        call("aten::zeros_like", {layer.mask}, {jit::NamedValue("dtype", dtype)});
    jit::Value* const hidden = call("aten::ne", {layer.mask, 0});
    jit::Value* const mask =
        call("aten::masked_fill", {zeros, hidden, -std::numeric_limits<double>::infinity()});
    if (layer.mask_type != 1) return mask;
    return call("aten::unsqueeze", {call("aten::unsqueeze", {mask, 1}), 1});
  }

  jit::Graph& graph_;
  jit::Node* node_;
  jit::WithInsertPoint point_;
};

/// Of the arguments that begin at `first`: width, heads, weight, bias, out_weight, out_bias.
std::optional<SelfAttention> self_attention(const jit::Node& node, std::size_t first,
                                            std::size_t mask, std::size_t mask_type) {
  const auto width = constant<std::int64_t>(node.input(first));
  const auto heads = constant<std::int64_t>(node.input(first + 1));
  if (!width || !heads || *heads <= 0 || *width % *heads != 0) return std::nullopt;
  SelfAttention layer{.width = *width,
                      .heads = *heads,
                      .weight = node.input(first + 2),
                      .bias = node.input(first + 3),
                      .out_weight = node.input(first + 4),
                      .out_bias = node.input(first + 5)};
  if (is_none(node.input(mask))) return layer;
  const auto type = constant<std::int64_t>(node.input(mask_type));
  if (!node.input(mask)->type()->isSubtypeOf(*c10::TensorType::get())) return std::nullopt;
  if (!type || *type < 0 || *type > 2) return std::nullopt;
  layer.mask = node.input(mask);
  layer.mask_type = *type;
  return layer;
}

/// aten::_transformer_encoder_layer_fwd.
jit::Value* encoder_layer(jit::Node& node) {
  std::optional<SelfAttention> layer = self_attention(node, 1, 18, 19);
  const auto uses_gelu = constant<bool>(node.input(7)), norm_first = constant<bool>(node.input(8));
  if (!layer || !uses_gelu || !norm_first) return nullptr;
  Writer writer(&node);
  const auto normalise = [&](jit::Value* input, std::size_t weight) {
    const std::vector<std::int64_t> shape = {layer->width};
    return writer.call("aten::layer_norm",
                       {input, shape, node.input(weight), node.input(weight + 1), node.input(9)});
  };
  jit::Value* x = node.input(0);
  layer->input = *norm_first ? normalise(x, 10) : x;
  x = writer.call("aten::add", {writer.attention(*layer), x});
  if (!*norm_first) x = normalise(x, 10);
  jit::Value* inner = *norm_first ? normalise(x, 12) : x;
  inner = writer.linear(inner, node.input(14), node.input(15));
  inner = writer.call(*uses_gelu ? "aten::gelu" : "aten::relu", {inner});
  x = writer.call("aten::add", {writer.linear(inner, node.input(16), node.input(17)), x});
  return *norm_first ? x : normalise(x, 12);
}

/// aten::_native_multi_head_attention, where it is self-attention and nobody asks for its weights.
jit::Value* multi_head_attention(jit::Node& node) {
  if (node.input(1) != node.input(0) || node.input(2) != node.input(0)) return nullptr;
  if (node.output(1)->hasUses()) return nullptr;
  std::optional<SelfAttention> layer = self_attention(node, 3, 9, 12);
  if (!layer) return nullptr;
  layer->input = node.input(0);
  return Writer(&node).attention(*layer);
}

using Decomposition = jit::Value* (*)(jit::Node& node);

Decomposition decomposition_of(const jit::Node& node) {
  static const c10::Symbol kEncoderLayer = symbol("aten::_transformer_encoder_layer_fwd");
  static const c10::Symbol kAttention = symbol("aten::_native_multi_head_attention");
  if (node.kind() == kEncoderLayer) return encoder_layer;
  return node.kind() == kAttention ? multi_head_attention : nullptr;
}

std::vector<jit::Node*> composites(jit::Graph& graph) {
  static const c10::Symbol kNested = symbol("aten::_nested_tensor_from_mask");
  std::vector<jit::Node*> found;
  bool is_nested = false;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    is_nested = is_nested || node->kind() == kNested;
    if (decomposition_of(*node) != nullptr) found.push_back(node);
  });
  if (is_nested) found.clear();  // Rows of different lengths: these operators alone know them.
  return found;
}

}  // namespace

bool has_composites(jit::Graph& graph) { return !composites(graph).empty(); }

void decompose_composites(jit::Graph& graph) {
  for (jit::Node* node : composites(graph)) {
    jit::Value* const made = decomposition_of(*node)(*node);
    if (made == nullptr) continue;
    node->output(0)->replaceAllUsesWith(made);
    node->destroy();
  }
}

}  // namespace torchship
