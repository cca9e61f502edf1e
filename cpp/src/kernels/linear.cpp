#include "kernels/linear.h"

#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include "graphs/visit.h"
#include "kernels/activation.h"
#include "kernels/onednn.h"
#include "kernels/small_linear.h"

namespace torchship {
namespace {

namespace jit = torch::jit;
using at::Tensor;

constexpr const char* kLinear = "torchship::linear";

/// oneDNN is the faster one with several threads, for few rows and from so many multiplications on;
/// else MKL is, by up to a sixth (benchmarks/compare.py, mlp_8 and the transformers).
constexpr std::int64_t kLarge = std::int64_t{1} << 20;
constexpr std::int64_t kFewRows = 32;

bool is_plain(const Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided;
}

bool suits_onednn(const Tensor& input, const Tensor& weight) {
  return is_plain(input) && is_plain(weight) && input.dim() >= 2 &&
         input.sizes().back() == weight.size(1) && input.numel() * weight.size(0) >= kLarge &&
         input.numel() <= kFewRows * weight.size(1) && at::get_num_threads() > 1 && has_onednn();
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& transposed,
              const Tensor& bias) {
  // What at::linear does for two dimensions, without the transpose.
  return input.dim() == 2 ? at::addmm(bias, input, transposed) : at::linear(input, weight, bias);
}

/// (input, weight, bias, transposed, activation) -> result
void run(jit::Stack& stack) {
  const auto arguments = stack.end() - 5;
  const Tensor& input = arguments[0].toTensor();
  const Tensor& weight = arguments[1].toTensor();
  const Tensor& bias = arguments[2].toTensor();
  const std::string& activation = arguments[4].toStringRef();
  Tensor result;
  if (const Tensor& transposed = arguments[3].toTensor(); is_small(input, transposed, bias)) {
    result = small_linear(input, transposed, bias);
    activate(result, activation);
  } else if (suits_onednn(input, weight)) {
    result = onednn_linear(input, weight, bias, activation);
  } else {
    result = linear(input, weight, transposed, bias);
    activate(result, activation);
  }
  stack.erase(arguments + 1, stack.end());
  stack.back() = std::move(result);
}

const jit::RegisterOperators kOperators({jit::Operator(
    std::string(kLinear) + "(Tensor input, Tensor weight, Tensor bias, Tensor transposed, "
                           "str activation) -> Tensor",
    run, c10::AliasAnalysisKind::FROM_SCHEMA)});

/// A plain matrix or vector that never changes.
std::optional<Tensor> constant_tensor(const jit::Value* value, std::int64_t dimensions) {
  const auto constant = jit::toIValue(value);
  if (!constant || !constant->isTensor()) return std::nullopt;
  const Tensor& tensor = constant->toTensor();
  const bool plain = tensor.defined() && tensor.layout() == at::kStrided &&
                     !tensor.is_quantized() && tensor.dim() == dimensions;
  return plain ? std::optional(tensor) : std::nullopt;
}

/// Of small weights a second form is kept.
Tensor transposed_of(const Tensor& weight) {
  constexpr std::int64_t kSmall = 1 << 13;
  return weight.numel() <= kSmall ? weight.t().contiguous() : weight.t();
}

void use_kernel(jit::Graph& graph, jit::Node* node) {
  const std::optional<FollowingActivation> next = activation_after(*node->output());
  const jit::WithInsertPoint before(node);
  jit::Value* transposed = graph.insertConstant(transposed_of(*constant_tensor(node->input(1), 2)));
  jit::Value* activation = graph.insertConstant(next ? next->name : "none");
  transposed->node()->setSourceRange(node->sourceRange());
  jit::Node* kernel = graph.create(
      c10::Symbol::fromQualString(kLinear),
      {node->input(0), node->input(1), node->input(2), transposed, activation});
  take_place(kernel, node, {.operator_name = "aten::linear", .inputs = 3}, next);
}

}  // namespace

void use_linear_kernel(jit::Graph& graph) {
  std::vector<jit::Node*> found;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind() == c10::aten::linear && node->inputs().size() == 3 &&
        constant_tensor(node->input(1), 2) && constant_tensor(node->input(2), 1)) {
      found.push_back(node);
    }
  });
  for (jit::Node* node : found) use_kernel(graph, node);
}

}  // namespace torchship
