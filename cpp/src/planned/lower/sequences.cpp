#include "planned/lower/lowerings.h"

namespace torchship {

bool lower_identity(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const ValueId input = operation.inputs[0], output = operation.outputs[0];
  if (!planner.is_array(input) || !planner.is_array(output)) return false;
  if (operation.node->kind() == c10::aten::dropout &&
      planner.boolean(operation.inputs[2]).value_or(true)) {
    return false;
  }
  planner.bind(output, planner.array(input));
  return true;
}

bool lower_construct(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  planner.bind_items(operation.outputs[0], operation.inputs, operation.node->output()->type());
  return true;
}

bool lower_unpack(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto* items = planner.items(operation.inputs[0]);
  if (items == nullptr || items->size() != operation.outputs.size()) return false;
  const std::vector<ValueId> copied = *items;
  for (std::size_t i = 0; i < copied.size(); ++i)
    planner.bind_alias(operation.outputs[i], copied[i]);
  return true;
}

bool lower_item(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto* items = planner.items(operation.inputs[0]);
  if (items == nullptr || operation.inputs.size() != 2) return false;
  const auto which = planner.integer(operation.inputs[1]);
  const auto count = static_cast<std::int64_t>(items->size());
  if (!which || *which < -count || *which >= count) return false;
  planner.bind_alias(operation.outputs[0],
                     (*items)[static_cast<std::size_t>(*which < 0 ? *which + count : *which)]);
  return true;
}

}  // namespace torchship
