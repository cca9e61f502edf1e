#include <ATen/ops/add.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/rsqrt.h>

#include <cstdint>
#include <limits>
#include <optional>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

using Kernel = void (*)(const compute::Normalisation&, compute::Share);

/// A step over the rows of a tensor that lies in the usual order.
void emit_rows(Planner& planner, std::size_t index, const char* name, Kernel run,
               compute::Normalisation rows) {
  const ObservedOperation& operation = planner.operation(index);
  const Array input = planner.contiguous(planner.array(operation.inputs[0]));
  const Array result = planner.make_array(input.sizes);
  rows.rows = rows.columns == 0 ? 0 : input.numel() / rows.columns;
  rows.input_stride = rows.result_stride = rows.columns;
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const bool is_large = input.numel() > 1 << 14;
  const double work = 8.0 * static_cast<double>(input.numel());
  const std::string sizes = std::to_string(rows.rows) + " x " + std::to_string(rows.columns);
  emit_simple(planner, {name, sizes, work}, run, rows, input, result, is_large);
}

}  // namespace

bool lower_layer_norm(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  const auto shape = planner.integers(inputs[1]);
  const auto epsilon = planner.number(inputs[4]);
  if (!shape || !epsilon || !planner.is_array(inputs[0])) return false;
  for (const std::size_t i : {2, 3}) {
    if (!planner.is_none(inputs[i]) && !planner.weight(inputs[i])) return false;
  }
  compute::Normalisation rows{.columns = 1, .epsilon = *epsilon};
  for (const std::int64_t size : *shape) rows.columns *= size;
  rows.weight = planner.elements(inputs[2]);
  rows.bias = planner.elements(inputs[3]);
  emit_rows(planner, index, "layer norm", planner.kernels().layer_norm, rows);
  return true;
}

bool lower_rms_norm(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  const auto shape = planner.integers(inputs[1]);
  if (!shape || !planner.is_array(inputs[0]) || !planner.is_array(operation.outputs[0]))
    return false;
  if (!planner.is_none(inputs[2]) && !planner.weight(inputs[2])) return false;
  if (!planner.is_none(inputs[3]) && !planner.number(inputs[3])) return false;
  compute::Normalisation rows{.columns = 1};
  for (const std::int64_t size : *shape) rows.columns *= size;
  rows.weight = planner.elements(inputs[2]);
  rows.epsilon = planner.number(inputs[3]).value_or(std::numeric_limits<float>::epsilon());
  emit_rows(planner, index, "rms norm", planner.kernels().rms_norm, rows);
  return true;
}

bool lower_softmax(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto dimension = planner.integer(operation.inputs[1]);
  if (!dimension || !planner.is_array(operation.inputs[0]) ||
      !planner.is_array(operation.outputs[0])) {
    return false;
  }
  const Sizes& sizes = planner.tensor(operation.inputs[0])->sizes;
  const auto count = static_cast<std::int64_t>(sizes.size());
  if (count == 0 || (*dimension != -1 && *dimension != count - 1)) return false;
  emit_rows(planner, index, "softmax", planner.kernels().softmax, {.columns = sizes.back()});
  return true;
}

/// Where no convolution took it: an affine function of each channel.
bool lower_batch_norm(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  const auto mean = planner.weight(inputs[3]), variance = planner.weight(inputs[4]);
  const auto epsilon = planner.number(inputs[7]);
  if (!mean || !variance || !epsilon || planner.boolean(inputs[5]).value_or(true)) return false;
  if (!planner.is_array(inputs[0]) || planner.tensor(inputs[0])->sizes.size() < 2) return false;
  for (const std::size_t i : {1, 2}) {
    if (!planner.is_none(inputs[i]) && !planner.weight(inputs[i])) return false;
  }
  const Sizes& sizes = planner.tensor(inputs[0])->sizes;
  at::Tensor scale = at::rsqrt(at::add(variance->to(at::kDouble), *epsilon));
  if (const auto weight = planner.weight(inputs[1])) scale = at::mul(scale, *weight);
  at::Tensor shift = at::neg(at::mul(mean->to(at::kDouble), scale));
  if (const auto bias = planner.weight(inputs[2])) shift = at::add(shift, *bias);
  Sizes shape(sizes.size(), 1);
  shape[1] = sizes[1];
  const auto constant = [&](const at::Tensor& tensor) {
    const ValueId id = planner.new_value();
    planner.bind(id, planner.constant(tensor.to(at::kFloat).reshape(shape)));
    return Term{.kind = Term::Kind::value, .value = id, .number = 0};
  };
  const Term input{.kind = Term::Kind::value, .value = inputs[0], .number = 0};
  planner.add_expression({.operation = compute::Operation::multiply_add,
                          .terms = {input, constant(scale), constant(shift)},
                          .result = operation.outputs[0],
                          .node = operation.node},
                         sizes);
  return true;
}

}  // namespace torchship
