#include "planned/lower/attention.h"

#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <optional>

#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {
namespace {

/// [.., heads, rows, width] as four dimensions, the last one side by side; nothing for other
/// numbers of them.
std::optional<Array> in_four(Planner& planner, Array array) {
  if (array.sizes.size() < 3 || array.sizes.size() > 4) return std::nullopt;
  if (array.sizes.back() != 1 && array.strides.back() != 1) array = planner.contiguous(array);
  if (array.sizes.size() == 3) {
    array.sizes.insert(array.sizes.begin(), 1);
    array.strides.insert(array.strides.begin(), 0);
  }
  return array;
}

void take_strides(const Array& array, std::int64_t (&strides)[3]) {
  for (std::size_t i = 0; i < 3; ++i) strides[i] = array.sizes[i] == 1 ? 0 : array.strides[i];
}

/// A mask of truths that never change, as what is added.
at::Tensor as_summand(const at::Tensor& mask) {
  const at::Tensor none = at::zeros({}, at::kFloat);
  const at::Tensor all = at::full({}, -std::numeric_limits<double>::infinity(), at::kFloat);
  return at::where(mask, none, all);
}

/// The mask, if it is one that the kernel knows; `ok` says whether it is.
std::optional<Array> mask_of(Planner& planner, ValueId id, bool& ok) {
  ok = true;
  if (planner.is_none(id)) return std::nullopt;
  if (planner.is_array(id)) return planner.array(id);
  const auto& fixed = planner.value(id).fixed;
  if (fixed && fixed->isTensor() && fixed->toTensor().scalar_type() == at::kBool) {
    return planner.constant(as_summand(fixed->toTensor()));
  }
  ok = false;
  return std::nullopt;
}

/// Strides of a mask that is repeated to [batch, heads, rows, columns].
bool spread(const Array& mask, const std::int64_t (&sizes)[4], std::int64_t (&strides)[4]) {
  if (mask.sizes.size() > 4) return false;
  const std::size_t missing = 4 - mask.sizes.size();
  for (std::size_t i = missing; i < 4; ++i) {
    const std::int64_t size = mask.sizes[i - missing];
    if (size != 1 && size != sizes[i]) return false;
    strides[i] = size == 1 ? 0 : mask.strides[i - missing];
  }
  return true;
}

}  // namespace

bool emit_attention(Planner& planner, const AttentionOperands& operands, ValueId output,
                    const std::vector<std::size_t>& operations) {
  const auto q = in_four(planner, operands.q), k = in_four(planner, operands.k),
             v = in_four(planner, operands.v);
  if (!q || !k || !v || k->sizes[1] == 0 || q->sizes[1] % k->sizes[1] != 0) return false;
  if (k->sizes[0] != q->sizes[0] || v->sizes[0] != q->sizes[0] || v->sizes[1] != k->sizes[1])
    return false;
  compute::Attention attention{.batch = q->sizes[0],
                               .heads = q->sizes[1],
                               .rows = q->sizes[2],
                               .columns = k->sizes[2],
                               .width = q->sizes[3],
                               .value_width = v->sizes[3]};
  attention.key_heads = k->sizes[1];
  attention.is_causal = operands.is_causal;
  attention.scale = operands.scale;
  attention.unseen = operands.unseen;
  const std::optional<Array>& mask = operands.mask;
  const std::int64_t scores[4] = {attention.batch, attention.heads, attention.rows,
                                  attention.columns};
  if (mask && !spread(*mask, scores, attention.mask_strides)) return false;
  take_strides(*q, attention.q_strides);
  take_strides(*k, attention.k_strides);
  take_strides(*v, attention.v_strides);

  // Heads side by side, as the product that follows wants them.
  const std::int64_t width = attention.value_width;
  const Sizes strides = {attention.rows * attention.heads * width, width, attention.heads * width,
                         1};
  Array result =
      planner.make_array({attention.batch, attention.heads, attention.rows, width}, strides);
  for (std::size_t i = 0; i < 3; ++i) attention.result_strides[i] = strides[i];
  planner.need_scratch(planner.kernels().attend_scratch(attention));
  for (const std::size_t operation : operations) planner.absorb(operation);
  Array bound = result;
  if (planner.tensor(output)->sizes.size() == 3) {
    bound.sizes.erase(bound.sizes.begin());
    bound.strides.erase(bound.strides.begin());
  }
  planner.bind(output, bound);

  Step step{.kernel = "attend",
            .operators = {},
            .run = {},
            .reads = {q->buffer, k->buffer, v->buffer},
            .writes = {result.buffer},
            .operations = 0,
            .detail = ""};
  step.operations = 2.0 * static_cast<double>(attention.batch * attention.heads * attention.rows) *
                    static_cast<double>(attention.columns * (attention.width + width));
  if (mask) step.reads.push_back(mask->buffer);
  step.run = [=, q = *q, k = *k, v = *v, run = planner.kernels().attend](Frame& frame) {
    compute::Attention ready = attention;
    ready.q = frame.at(q);
    ready.k = frame.at(k);
    ready.v = frame.at(v);
    ready.mask = mask ? frame.at(*mask) : nullptr;
    ready.result = frame.at(result);
    run_team(frame.threads(),
             [&](compute::Share share) { run(ready, share, frame.scratch(share.index)); });
  };
  planner.emit(std::move(step));
  return true;
}

bool lower_attention(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  if (inputs.size() != 8 || !planner.is_array(operation.outputs[0])) return false;
  const auto is_causal = planner.boolean(inputs[5]);
  if (planner.number(inputs[4]) != 0.0 || !is_causal) return false;
  if (!planner.is_none(inputs[6]) && !planner.number(inputs[6])) return false;
  for (const std::size_t i : {0, 1, 2}) {
    if (!planner.is_array(inputs[i])) return false;
  }
  bool is_known = false;
  AttentionOperands operands{.q = planner.array(inputs[0]),
                             .k = planner.array(inputs[1]),
                             .v = planner.array(inputs[2]),
                             .mask = mask_of(planner, inputs[3], is_known),
                             .is_causal = *is_causal};
  if (!is_known || operands.q.sizes.empty()) return false;
  operands.scale = static_cast<float>(planner.number(inputs[6]).value_or(
      1.0 / std::sqrt(static_cast<double>(operands.q.sizes.back()))));
  return emit_attention(planner, operands, operation.outputs[0], {index});
}

}  // namespace torchship
