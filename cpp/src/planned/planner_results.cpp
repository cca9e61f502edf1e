// What a plan gives, and what is known of results on the way.

#include <algorithm>

#include "planned/layout.h"
#include "planned/planner.h"

namespace torchship {

bool Planner::may_become_result(const Array& array) const {
  const Buffer& buffer = plan_.buffers[array.buffer];
  return buffer.home == Buffer::Home::arena && array.offset == 0 && array.is_contiguous() &&
         static_cast<std::size_t>(array.numel()) * sizeof(float) == buffer.bytes;
}

Array Planner::result_array(ValueId id) {
  Array found = array(id);
  if (!may_become_result(found)) {
    const Array copied = make_array(found.sizes);
    copy(found, copied);
    found = copied;
  }
  Buffer& buffer = plan_.buffers[found.buffer];
  buffer.home = Buffer::Home::result;
  buffer.sizes = found.sizes;
  found.strides = usual_strides(found.sizes);
  return found;
}

ValueTree Planner::result_tree(ValueId id) {
  if (items(id) != nullptr) return items_tree(id, &Planner::result_tree);
  const bool is_slot_array = places_[id].kind == Place::Kind::array &&
                             plan_.buffers[places_[id].array.buffer].home == Buffer::Home::slot;
  if (is_fixed(id) || is_slot_array ||
      (places_[id].kind != Place::Kind::array && !expressions_.find(id))) {
    return tree(id);
  }
  ValueTree tree;
  tree.kind = ValueTree::Kind::array;
  tree.array = result_array(id);
  return tree;
}

void Planner::finish_result() {
  plan_.result = result_tree(seen_.result);
  while (const Expressions::Group left = expressions_.any())
    expressions_.remove(left);  // Nobody asked.
}

/// What operators give is there after the last step that writes to it.
void Planner::note_results() {
  std::vector<std::optional<std::size_t>> written(plan_.buffers.size());
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    for (const BufferId buffer : plan_.steps[i].writes) written[buffer] = i;
  }
  for (const Step& step : plan_.steps) {
    for (const PlannedOperator& each : step.operators) {
      if (!each.result || places_[each.value].kind != Place::Kind::array) continue;
      const Array& array = places_[each.value].array;
      if (array.sizes != each.result->sizes || !written[array.buffer]) continue;
      plan_.known.push_back({.step = *written[array.buffer], .value = each.value, .array = array});
    }
  }
  std::stable_sort(plan_.known.begin(), plan_.known.end(),
                   [](const KnownResult& a, const KnownResult& b) { return a.step < b.step; });
}

}  // namespace torchship
