#include "kernels/convolution.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include "graphs/visit.h"
#include "kernels/activation.h"
#include "kernels/onednn.h"

namespace torchship {
namespace {

namespace jit = torch::jit;
using at::Tensor;

constexpr const char* kConvolution = "torchship::conv2d";

bool suits_onednn(const Tensor& input, const Tensor& weight, const ConvolutionOptions& options) {
  if (input.scalar_type() != at::kFloat || input.layout() != at::kStrided || input.dim() != 4 ||
      !input.is_cpu() || input.numel() == 0 || input.size(1) != weight.size(1) * options.groups) {
    return false;
  }
  for (const std::size_t k : {0, 1}) {
    const std::int64_t reach = options.dilation[k] * (weight.size(2 + k) - 1) + 1;
    if (input.size(2 + k) + 2 * options.padding[k] < reach) return false;
  }
  return has_onednn();
}

// Note [Packed weights]
// Which layout oneDNN's kernel wants depends on the input's sizes, the number of threads and the
// CPU's caches. With another one it would reorder the weight at each call, which takes longer than the
// convolution. So a weight is packed when it first meets a size, into a list that is a constant of
// the graph: pairs of what it was packed for (sizes and threads) and the packed weight, after a
// first tensor that makes the list unlike those of other convolutions.

constexpr std::size_t kMostPacked = 2;  ///< Sizes for which a weight is kept packed.

std::mutex& packing_mutex() {
  static std::mutex mutex;
  return mutex;
}

Tensor packed_for(const Tensor& input, const Tensor& weight, const ConvolutionOptions& options,
                  c10::List<Tensor> packed) {
  std::vector<std::int64_t> key = input.sizes().vec();
  key.push_back(at::get_num_threads());
  const auto is_for = [&](const Tensor& sizes) {
    return std::equal(key.begin(), key.end(), sizes.const_data_ptr<std::int64_t>());
  };
  const std::lock_guard lock(packing_mutex());
  for (std::size_t i = 1; i + 1 < packed.size(); i += 2) {
    if (is_for(packed.get(i))) return packed.get(i + 1);
  }
  // A model whose sizes vary without end is not served by packing for each.
  if (packed.size() == 1 + 2 * kMostPacked) return packed.get(2);
  packed.push_back(at::tensor(key));
  packed.push_back(onednn_pack(weight, options, input.sizes()));
  return packed.get(packed.size() - 1);
}

/// (input, weight, bias, stride, padding, dilation, groups, packed, activation) -> result
void run(jit::Stack& stack) {
  const auto arguments = stack.end() - 9;
  const Tensor& input = arguments[0].toTensor();
  const Tensor& weight = arguments[1].toTensor();
  const Tensor bias = arguments[2].isNone() ? Tensor() : arguments[2].toTensor();
  const std::string& activation = arguments[8].toStringRef();
  const ConvolutionOptions options{.stride = arguments[3].toIntVector(),
                                   .padding = arguments[4].toIntVector(),
                                   .dilation = arguments[5].toIntVector(),
                                   .groups = arguments[6].toInt()};
  Tensor result;
  if (suits_onednn(input, weight, options)) {
    const Tensor packed = packed_for(input, weight, options, arguments[7].toTensorList());
    result = onednn_convolution(input.contiguous(at::MemoryFormat::ChannelsLast), packed, bias,
                                options, activation);
  } else {
    result = at::conv2d(input, weight, bias, options.stride, options.padding, options.dilation,
                        options.groups);
    activate(result, activation);
  }
  stack.erase(arguments + 1, stack.end());
  stack.back() = std::move(result);
}

const jit::RegisterOperators kOperators({jit::Operator(
    std::string(kConvolution) +
        "(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, "
        "int groups, Tensor[] packed, str activation) -> Tensor",
    run, c10::AliasAnalysisKind::FROM_SCHEMA)});

/// A convolution whose weights and options are known, and fit oneDNN.
struct Layer {
  jit::Node* node;
  Tensor weight;
  ConvolutionOptions options;
};

std::optional<std::vector<std::int64_t>> constant_pair(const jit::Value* value) {
  const auto constant = jit::toIValue(value);
  if (!constant || !constant->isIntList() || constant->toIntVector().size() != 2) {
    return std::nullopt;
  }
  return constant->toIntVector();
}

bool is_constant(const jit::Value* value, bool wanted) {
  const auto constant = jit::toIValue(value);
  return constant && constant->isBool() && constant->toBool() == wanted;
}

/// aten::conv2d(input, weight, bias, stride, padding, dilation, groups), or aten::_convolution, in
/// which `transposed` and `output_padding` come before `groups`.
std::optional<Layer> layer_of(jit::Node* node) {
  const bool plain = node->kind() == c10::aten::conv2d && node->inputs().size() == 7;
  const bool general = node->kind() == c10::aten::_convolution && node->inputs().size() >= 12 &&
                       is_constant(node->input(6), false);
  if (!plain && !general) return std::nullopt;
  const auto weight = jit::toIValue(node->input(1));
  const auto bias = jit::toIValue(node->input(2));
  auto stride = constant_pair(node->input(3));
  auto padding = constant_pair(node->input(4));
  auto dilation = constant_pair(node->input(5));
  const auto groups = jit::toIValue(node->input(plain ? 6 : 8));
  if (!weight || !weight->isTensor() || !bias || !stride || !padding || !dilation || !groups ||
      !groups->isInt()) {
    return std::nullopt;
  }
  const Tensor& tensor = weight->toTensor();
  const bool fits = tensor.defined() && tensor.scalar_type() == at::kFloat &&
                    tensor.layout() == at::kStrided && tensor.dim() == 4 && tensor.numel() > 0 &&
                    // An expanded tensor would be much larger when packed than the file is.
                    tensor.is_non_overlapping_and_dense() &&
                    groups->toInt() >= 1 && tensor.size(0) % groups->toInt() == 0;
  const auto positive = [](const std::vector<std::int64_t>& pair, std::int64_t least) {
    return pair[0] >= least && pair[1] >= least;
  };
  if (!fits || !positive(*stride, 1) || !positive(*padding, 0) || !positive(*dilation, 1)) {
    return std::nullopt;
  }
  return Layer{.node = node,
               .weight = tensor,
               .options = {.stride = std::move(*stride),
                           .padding = std::move(*padding),
                           .dilation = std::move(*dilation),
                           .groups = groups->toInt()}};
}

/// What depends on strides, and would see them change.
bool asks_for_strides(const jit::Node& node) {
  static const std::vector<c10::Symbol> kinds = [] {
    std::vector<c10::Symbol> symbols;
    for (const char* name :
         {"aten::as_strided", "aten::as_strided_", "aten::stride", "aten::is_contiguous",
          "aten::storage_offset", "aten::resize_", "aten::resize_as_", "aten::set_",
          "aten::view_as_complex", "aten::data_ptr", "aten::empty_strided",
          "aten::new_empty_strided", "aten::unsafe_view", "prim::CallMethod", "prim::fork"}) {
      symbols.push_back(c10::Symbol::fromQualString(name));
    }
    return symbols;
  }();
  return std::find(kinds.begin(), kinds.end(), node.kind()) != kinds.end();
}

bool is_view(const jit::Node& node) {
  return node.kind() == c10::aten::view || node.kind() == c10::aten::view_as ||
         node.kind() == c10::aten::_unsafe_view;
}

/// The views that must become reshapes, which look the same and may copy; nothing where a graph may
/// not be changed so.
std::optional<std::vector<jit::Node*>> views_of(const std::shared_ptr<jit::Graph>& graph) {
  bool refused = false;
  std::vector<jit::Node*> views;
  for_each_node(*graph->block(), [&](jit::Node* node) {
    refused = refused || asks_for_strides(*node);
    if (is_view(*node)) views.push_back(node);
  });
  if (refused) return std::nullopt;
  if (views.empty()) return views;
  const jit::AliasDb aliases(graph);
  for (const jit::Node* view : views) {
    // view(dtype) is another operator.
    const bool by_size = view->inputs().size() == 2 &&
                         (view->kind() == c10::aten::view_as ||
                          view->input(1)->type()->kind() == c10::TypeKind::ListType);
    if (!by_size || aliases.hasWriters(view)) return std::nullopt;
  }
  return views;
}

void make_reshape(jit::Node* view) {
  const bool like_other = view->kind() == c10::aten::view_as;
  jit::Node* reshape = view->replaceWithNewSymbol(like_other ? c10::aten::reshape_as : c10::aten::reshape);
  reshape->copyMetadata(view);
  view->destroy();
}

/// See Note [Packed weights].
jit::Value* insert_packed(jit::Graph& graph) {
  static std::atomic<std::int64_t> number = 0;
  return graph.insertConstant(c10::List<Tensor>({at::scalar_tensor(number++, at::kLong)}));
}

void use_kernel(jit::Graph& graph, const Layer& layer) {
  jit::Node* node = layer.node;
  const std::optional<FollowingActivation> next = activation_after(*node->output());
  const jit::WithInsertPoint before(node);
  const auto constant = [&](const c10::IValue& value) { return graph.insertConstant(value); };
  jit::Node* kernel = graph.create(
      c10::Symbol::fromQualString(kConvolution),
      {node->input(0), node->input(1), node->input(2), constant(layer.options.stride),
       constant(layer.options.padding), constant(layer.options.dilation),
       constant(layer.options.groups),
       insert_packed(graph),
       constant(next ? next->name : std::string("none"))});
  take_place(kernel, node, {.operator_name = "aten::conv2d", .inputs = 7}, next);
}

}  // namespace

bool use_convolution_kernel(const std::shared_ptr<jit::Graph>& graph) {
  if (!has_onednn()) return false;
  std::vector<Layer> layers;
  for_each_node(*graph->block(), [&](jit::Node* node) {
    if (auto layer = layer_of(node)) layers.push_back(std::move(*layer));
  });
  if (layers.empty()) return false;
  const auto views = views_of(graph);
  if (!views) return false;
  for (jit::Node* view : *views) make_reshape(view);
  for (const Layer& layer : layers) use_kernel(*graph, layer);
  return true;
}

}  // namespace torchship
