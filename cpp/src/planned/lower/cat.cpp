#include "planned/lower/lowerings.h"

namespace torchship {

bool lower_cat(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto* const found = planner.items(operation.inputs[0]);
  const auto given = planner.integer(operation.inputs[1]);
  if (found == nullptr || found->empty() || !given || !planner.is_array(operation.outputs[0]))
    return false;
  const std::vector<ValueId> parts = *found;
  const Sizes sizes = planner.tensor(operation.outputs[0])->sizes;
  const auto dimension = static_cast<std::size_t>(
      *given < 0 ? *given + static_cast<std::int64_t>(sizes.size()) : *given);
  std::vector<Array> arrays;
  for (const ValueId part : parts) {
    if (!planner.is_array(part)) return false;
    arrays.push_back(planner.array(part));
    if (arrays.back().sizes.size() != sizes.size()) return false;  // An empty one of one dimension.
  }
  // Images stay as they are in memory.
  const bool is_image = sizes.size() == 4 && arrays[0].strides[1] == 1 && arrays[0].sizes[1] > 1;
  const Array result = is_image ? planner.make_channels_last(sizes) : planner.make_array(sizes);
  Array place = result;
  for (const Array& array : arrays) {
    place.sizes = array.sizes;
    planner.copy(array, place);
    place.offset += array.sizes[dimension] * result.strides[dimension];
  }
  planner.bind(operation.outputs[0], result);
  planner.count_planned();
  return true;
}

}  // namespace torchship
