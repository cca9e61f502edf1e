#include "kernels/reuse.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/div.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardsigmoid.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/log.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include "graphs/stand_in.h"
#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;
using at::Scalar;
using at::Tensor;

/// Note [Memory that nobody else holds].
bool is_ours(const Tensor& tensor) {
  return tensor.defined() && tensor.layout() == at::kStrided && tensor.use_count() == 1 &&
         tensor.has_storage() && tensor.storage().use_count() == 1 &&
         at::isFloatingType(tensor.scalar_type()) && tensor.is_non_overlapping_and_dense() &&
         !tensor.is_neg() && !tensor.requires_grad();
}

/// Whether the result of the two has the dtype, sizes and strides of `self`.
bool keeps_shape_of(const Tensor& self, const Tensor& other) {
  if (!other.defined() || other.layout() != at::kStrided || other.device() != self.device()) {
    return false;
  }
  if (other.dim() == 0) return !other.is_complex();
  return other.scalar_type() == self.scalar_type() && other.sizes() == self.sizes() &&
         other.strides() == self.strides();
}

Tensor take_tensor(jit::Stack& stack) {
  Tensor tensor = std::move(stack.back()).toTensor();
  stack.pop_back();
  return tensor;
}

Scalar take_scalar(jit::Stack& stack) { return jit::pop(stack).toScalar(); }

template <Tensor (*plain)(const Tensor&), Tensor& (*in_place)(Tensor&)>
void unary(jit::Stack& stack) {
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours(self) ? std::move(in_place(self)) : plain(self));
}

/// (Tensor self, Scalar... arguments)
template <typename Plain, typename InPlace>
void change(jit::Stack& stack, const Plain& plain, const InPlace& in_place) {
  Tensor self = take_tensor(stack);
  if (is_ours(self)) {
    in_place(self);
    stack.emplace_back(std::move(self));
  } else {
    stack.emplace_back(plain(self));
  }
}

void gelu(jit::Stack& stack) {
  const c10::IValue kind = jit::pop(stack);
  const std::string_view approximate = kind.toStringRef();
  change(stack, [&](const Tensor& self) { return at::gelu(self, approximate); },
         [&](Tensor& self) { at::gelu_(self, approximate); });
}

void hardtanh(jit::Stack& stack) {
  const Scalar high = take_scalar(stack);
  const Scalar low = take_scalar(stack);
  change(stack, [&](const Tensor& self) { return at::hardtanh(self, low, high); },
         [&](Tensor& self) { at::hardtanh_(self, low, high); });
}

void clamp(jit::Stack& stack) {
  const auto high = jit::pop(stack).toOptional<Scalar>();
  const auto low = jit::pop(stack).toOptional<Scalar>();
  change(stack, [&](const Tensor& self) { return at::clamp(self, low, high); },
         [&](Tensor& self) { at::clamp_(self, low, high); });
}

void leaky_relu(jit::Stack& stack) {
  const Scalar slope = take_scalar(stack);
  change(stack, [&](const Tensor& self) { return at::leaky_relu(self, slope); },
         [&](Tensor& self) { at::leaky_relu_(self, slope); });
}

void elu(jit::Stack& stack) {
  const Scalar input_scale = take_scalar(stack);
  const Scalar scale = take_scalar(stack);
  const Scalar alpha = take_scalar(stack);
  change(stack, [&](const Tensor& self) { return at::elu(self, alpha, scale, input_scale); },
         [&](Tensor& self) { at::elu_(self, alpha, scale, input_scale); });
}

void add(jit::Stack& stack) {
  const Scalar alpha = take_scalar(stack);
  Tensor other = take_tensor(stack);
  Tensor self = take_tensor(stack);
  if (is_ours(self) && keeps_shape_of(self, other)) {
    stack.emplace_back(std::move(self.add_(other, alpha)));
  } else if (alpha.equal(1) && is_ours(other) && keeps_shape_of(other, self)) {
    stack.emplace_back(std::move(other.add_(self)));
  } else {
    stack.emplace_back(at::add(self, other, alpha));
  }
}

void sub(jit::Stack& stack) {
  const Scalar alpha = take_scalar(stack);
  const Tensor other = take_tensor(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours(self) && keeps_shape_of(self, other)
                         ? std::move(self.sub_(other, alpha))
                         : at::sub(self, other, alpha));
}

void mul(jit::Stack& stack) {
  Tensor other = take_tensor(stack);
  Tensor self = take_tensor(stack);
  if (is_ours(self) && keeps_shape_of(self, other)) {
    stack.emplace_back(std::move(self.mul_(other)));
  } else if (is_ours(other) && keeps_shape_of(other, self)) {
    stack.emplace_back(std::move(other.mul_(self)));
  } else {
    stack.emplace_back(at::mul(self, other));
  }
}

void div(jit::Stack& stack) {
  const Tensor other = take_tensor(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours(self) && keeps_shape_of(self, other) ? std::move(self.div_(other))
                                                                  : at::div(self, other));
}

/// A complex number makes a real tensor complex.
bool is_ours_with(const Tensor& self, const Scalar& other) {
  return !other.isComplex() && is_ours(self);
}

void add_scalar(jit::Stack& stack) {
  const Scalar alpha = take_scalar(stack);
  const Scalar other = take_scalar(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours_with(self, other) ? std::move(self.add_(other, alpha))
                                               : at::add(self, other, alpha));
}

void sub_scalar(jit::Stack& stack) {
  const Scalar alpha = take_scalar(stack);
  const Scalar other = take_scalar(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours_with(self, other) ? std::move(self.sub_(other, alpha))
                                               : at::sub(self, other, alpha));
}

void mul_scalar(jit::Stack& stack) {
  const Scalar other = take_scalar(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours_with(self, other) ? std::move(self.mul_(other))
                                               : at::mul(self, other));
}

void div_scalar(jit::Stack& stack) {
  const Scalar other = take_scalar(stack);
  Tensor self = take_tensor(stack);
  stack.emplace_back(is_ours_with(self, other) ? std::move(self.div_(other))
                                               : at::div(self, other));
}

struct Kernel {
  const char* schema;  ///< As aten has it.
  void (*run)(jit::Stack&);
};

constexpr Kernel kKernels[] = {
    {"relu(Tensor self) -> Tensor", unary<at::relu, at::relu_>},
    {"sigmoid(Tensor self) -> Tensor", unary<at::sigmoid, at::sigmoid_>},
    {"tanh(Tensor self) -> Tensor", unary<at::tanh, at::tanh_>},
    {"silu(Tensor self) -> Tensor", unary<at::silu, at::silu_>},
    {"hardswish(Tensor self) -> Tensor", unary<at::hardswish, at::hardswish_>},
    {"hardsigmoid(Tensor self) -> Tensor", unary<at::hardsigmoid, at::hardsigmoid_>},
    {"abs(Tensor self) -> Tensor", unary<at::abs, at::abs_>},
    {"neg(Tensor self) -> Tensor", unary<at::neg, at::neg_>},
    {"exp(Tensor self) -> Tensor", unary<at::exp, at::exp_>},
    {"log(Tensor self) -> Tensor", unary<at::log, at::log_>},
    {"sqrt(Tensor self) -> Tensor", unary<at::sqrt, at::sqrt_>},
    {"rsqrt(Tensor self) -> Tensor", unary<at::rsqrt, at::rsqrt_>},
    {"reciprocal(Tensor self) -> Tensor", unary<at::reciprocal, at::reciprocal_>},
    {"sin(Tensor self) -> Tensor", unary<at::sin, at::sin_>},
    {"cos(Tensor self) -> Tensor", unary<at::cos, at::cos_>},
    {"erf(Tensor self) -> Tensor", unary<at::erf, at::erf_>},
    {"floor(Tensor self) -> Tensor", unary<at::floor, at::floor_>},
    {"ceil(Tensor self) -> Tensor", unary<at::ceil, at::ceil_>},
    {"gelu(Tensor self, *, str approximate) -> Tensor", gelu},
    {"hardtanh(Tensor self, Scalar min_val, Scalar max_val) -> Tensor", hardtanh},
    {"clamp(Tensor self, Scalar? min, Scalar? max) -> Tensor", clamp},
    {"leaky_relu(Tensor self, Scalar negative_slope) -> Tensor", leaky_relu},
    {"elu(Tensor self, Scalar alpha, Scalar scale, Scalar input_scale) -> Tensor", elu},
    {"add.Tensor(Tensor self, Tensor other, *, Scalar alpha) -> Tensor", add},
    {"sub.Tensor(Tensor self, Tensor other, *, Scalar alpha) -> Tensor", sub},
    {"mul.Tensor(Tensor self, Tensor other) -> Tensor", mul},
    {"div.Tensor(Tensor self, Tensor other) -> Tensor", div},
    {"add.Scalar(Tensor self, Scalar other, Scalar alpha) -> Tensor", add_scalar},
    {"sub.Scalar(Tensor self, Scalar other, Scalar alpha) -> Tensor", sub_scalar},
    {"mul.Scalar(Tensor self, Scalar other) -> Tensor", mul_scalar},
    {"div.Scalar(Tensor self, Scalar other) -> Tensor", div_scalar},
};

constexpr std::string_view kNamespace = "torchship::";

jit::RegisterOperators make_operators() {
  std::vector<std::optional<jit::Operator>> operators;
  for (const Kernel& kernel : kKernels) {
    operators.emplace_back(jit::Operator(std::string(kNamespace) + kernel.schema, kernel.run,
                                         c10::AliasAnalysisKind::FROM_SCHEMA));
  }
  return jit::RegisterOperators(std::move(operators));
}

const jit::RegisterOperators kOperators = make_operators();

/// "add.Tensor" and the like.
std::string overload_of(const jit::Node& node) {
  const std::string name = node.kind().toUnqualString();
  const std::string& overload = node.schema().overload_name();
  return overload.empty() ? name : name + "." + overload;
}

const std::unordered_set<std::string>& known_overloads() {
  static const std::unordered_set<std::string> known = [] {
    std::unordered_set<std::string> names;
    for (const Kernel& kernel : kKernels) {
      const std::string_view schema = kernel.schema;
      names.emplace(schema.substr(0, schema.find('(')));
    }
    return names;
  }();
  return known;
}

}  // namespace

void reuse_memory(jit::Graph& graph) {
  std::vector<jit::Node*> found;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind().is_aten() && node->maybeSchema() != nullptr &&
        known_overloads().contains(overload_of(*node))) {
      found.push_back(node);
    }
  });
  for (jit::Node* node : found) {
    const std::string name = std::string(kNamespace) + node->kind().toUnqualString();
    jit::Node* kernel = node->replaceWithNewSymbol(c10::Symbol::fromQualString(name));
    stand_in(kernel, {.operator_name = node->kind().toQualString(),
                      .inputs = node->inputs().size()});
    node->destroy();
  }
}

}  // namespace torchship
