#include <memory>
#include <optional>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// The arguments of a norm over groups of channels.
struct Groups {
  std::int64_t count = 0;
  ValueId weight = 0, bias = 0, epsilon = 0;
};

/// Instance norm has a group for each channel; with statistics of its own it is a batch norm.
std::optional<Groups> groups_of(const Planner& planner, const ObservedOperation& operation) {
  const auto& inputs = operation.inputs;
  if (operation.node->kind() == c10::aten::group_norm) {
    const auto count = planner.integer(inputs[1]);
    return count ? std::optional(Groups{*count, inputs[2], inputs[3], inputs[4]}) : std::nullopt;
  }
  if (!planner.boolean(inputs[5]).value_or(false) || !planner.is_none(inputs[3]) ||
      !planner.is_none(inputs[4])) {
    return std::nullopt;
  }
  return Groups{planner.tensor(inputs[0])->sizes.at(1), inputs[1], inputs[2], inputs[7]};
}

bool is_weight_or_none(const Planner& planner, ValueId id) {
  return planner.is_none(id) || planner.weight(id);
}

}  // namespace

bool lower_group_norm(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const ValueId id = operation.inputs[0];
  if (!planner.is_array(id) || planner.tensor(id)->sizes.size() < 3 ||
      planner.tensor(id)->numel() == 0) {
    return false;
  }
  const auto groups = groups_of(planner, operation);
  if (!groups || !is_weight_or_none(planner, groups->weight) ||
      !is_weight_or_none(planner, groups->bias) || !planner.number(groups->epsilon)) {
    return false;
  }
  const Sizes& sizes = planner.tensor(id)->sizes;
  compute::GroupNorm norm{.batch = sizes[0], .channels = sizes[1], .groups = groups->count};
  norm.positions = planner.tensor(id)->numel() / (sizes[0] * sizes[1]);
  norm.epsilon = *planner.number(groups->epsilon);
  norm.weight = planner.elements(groups->weight);
  norm.bias = planner.elements(groups->bias);
  // Images stay as they are in memory.
  Array input = planner.array(id);
  norm.channels_last = are_same_place(sizes, input.strides, channels_last_strides(sizes));
  if (!norm.channels_last) input = planner.contiguous(input);
  const Array result = planner.make_array(sizes, input.strides);
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const bool is_large = input.numel() > 1 << 14;
  emit_simple(planner,
              {"group norm", std::to_string(norm.groups) + " groups",
               8.0 * static_cast<double>(input.numel())},
              planner.kernels().group_norm, norm, input, result, is_large);
  return true;
}

}  // namespace torchship
