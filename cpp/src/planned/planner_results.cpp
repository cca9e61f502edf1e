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

/// Where steps leave what operators give.
void Planner::note_results() {
  for (Step& step : plan_.steps) {
    for (PlannedOperator& each : step.operators) {
      if (!each.result || places_[each.value].kind != Place::Kind::array) continue;
      const Array& array = places_[each.value].array;
      const bool is_written =
          std::find(step.writes.begin(), step.writes.end(), array.buffer) != step.writes.end();
      if (is_written && array.sizes == each.result->sizes) each.array = array;
    }
  }
}

}  // namespace torchship
