#include <limits>
#include <optional>
#include <utility>

#include "planned/lower/attention.h"

namespace torchship {
namespace {

/// What lies between the two products.
struct Scores {
  ValueId value = 0;  ///< So far.
  float scale = 1;
  std::optional<ValueId> mask;
  bool is_normalised = false;
  std::vector<std::size_t> operations;
};

/// The other operand of a sum, whatever its sizes.
std::optional<ValueId> added(const Planner& planner, const ObservedOperation& sum, ValueId one) {
  if (sum.inputs.size() != 3 || planner.number(sum.inputs[2]) != 1.0) return std::nullopt;
  const ValueId other = sum.inputs[sum.inputs[0] == one ? 1 : 0];
  const bool is_known = other != one && planner.is_array(other) && planner.is_there(other);
  return is_known ? std::optional(other) : std::nullopt;
}

bool take_scale(const Planner& planner, const ObservedOperation& operation, Scores& scores) {
  const bool divides = operation.node->kind() == c10::aten::div;
  const ValueId first = operation.inputs[0], second = operation.inputs[1];
  if (divides && (operation.inputs.size() != 2 || first != scores.value)) return false;
  const auto factor = planner.number(first == scores.value ? second : first);
  if (!factor || scores.mask || scores.is_normalised) return false;
  scores.scale *= static_cast<float>(divides ? 1 / *factor : *factor);
  return true;
}

bool take_mask(const Planner& planner, const ObservedOperation& operation, Scores& scores) {
  if (scores.mask || scores.is_normalised) return false;
  scores.mask = added(planner, operation, scores.value);
  return scores.mask.has_value();
}

bool take_softmax(const Planner& planner, const ObservedOperation& operation, Scores& scores) {
  const auto dimension = planner.integer(operation.inputs[1]);
  const auto count = static_cast<std::int64_t>(planner.tensor(scores.value)->sizes.size());
  if (!dimension || (*dimension != -1 && *dimension != count - 1)) return false;
  return !std::exchange(scores.is_normalised, true);
}

bool is_no_dropout(const Planner& planner, const ObservedOperation& operation) {
  return !planner.boolean(operation.inputs[2]).value_or(true);
}

/// The operation becomes a part of the scores, if it can.
bool take(const Planner& planner, const ObservedOperation& operation, Scores& scores) {
  const c10::Symbol kind = operation.node->kind();
  if (kind == c10::aten::mul || kind == c10::aten::div) {
    return take_scale(planner, operation, scores);
  }
  if (kind == c10::aten::add) return take_mask(planner, operation, scores);
  if (kind == c10::aten::softmax) return take_softmax(planner, operation, scores);
  return kind == c10::aten::dropout && is_no_dropout(planner, operation);
}

bool is_product(const ObservedOperation& operation) {
  const c10::Symbol kind = operation.node->kind();
  return kind == c10::aten::matmul || kind == c10::aten::bmm;
}

Array transposed(Array array) {
  const std::size_t last = array.sizes.size() - 1;
  std::swap(array.sizes[last], array.sizes[last - 1]);
  std::swap(array.strides[last], array.strides[last - 1]);
  return array;
}

/// The operations between the product and the one with the values, whose position is `end`.
std::optional<Scores> follow_scores(const Planner& planner, std::size_t product, std::size_t& end) {
  Scores scores{
      .value = planner.operation(product).outputs[0], .mask = {}, .operations = {product}};
  while (const auto use = planner.only_use(scores.value)) {
    const ObservedOperation& operation = planner.operation(*use);
    if (is_product(operation)) {
      end = *use;
      const bool comes_first = operation.inputs[0] == scores.value;
      return scores.is_normalised && comes_first ? std::optional(scores) : std::nullopt;
    }
    if (operation.outputs.size() != 1 || !planner.is_array(operation.outputs[0]) ||
        planner.tensor(operation.outputs[0])->sizes != planner.tensor(scores.value)->sizes ||
        !take(planner, operation, scores)) {
      return std::nullopt;
    }
    scores.value = operation.outputs[0];
    scores.operations.push_back(*use);
  }
  return std::nullopt;
}

}  // namespace

bool lower_written_attention(Planner& planner, std::size_t product) {
  const ObservedOperation& first = planner.operation(product);
  std::size_t end = 0;
  std::optional<Scores> scores = follow_scores(planner, product, end);
  if (!scores) return false;
  const ObservedOperation& last = planner.operation(end);
  const ValueId values = last.inputs[1], output = last.outputs[0];
  if (!planner.is_array(values) || !planner.is_there(values) || !planner.is_array(output)) {
    return false;
  }
  const std::size_t dimensions = planner.tensor(output)->sizes.size();
  for (const ValueId id : {first.inputs[0], first.inputs[1], values}) {
    if (planner.tensor(id)->sizes.size() != dimensions) return false;
  }
  if (dimensions < 3 || dimensions > 4) return false;
  scores->operations.push_back(end);
  AttentionOperands operands{.q = planner.array(first.inputs[0]),
                             .k = transposed(planner.array(first.inputs[1])),
                             .v = planner.array(values),
                             .mask = {},
                             .scale = scores->scale,
                             .unseen = std::numeric_limits<float>::quiet_NaN()};
  if (scores->mask) operands.mask = planner.array(*scores->mask);
  if (operands.q.sizes[dimensions - 3] != operands.k.sizes[dimensions - 3]) return false;
  return emit_attention(planner, operands, output, scores->operations);
}

}  // namespace torchship
