#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// The reduced dimensions, each once, not negative; all of them for an empty list.
std::optional<std::vector<bool>> reduced(const Planner& planner, ValueId id, std::size_t count) {
  std::vector<bool> found(count, false);
  if (planner.is_none(id)) return std::vector<bool>(count, true);
  const auto given = planner.integers(id);
  if (!given) return std::nullopt;
  if (given->empty()) return std::vector<bool>(count, true);
  for (const std::int64_t each : *given) {
    found.at(static_cast<std::size_t>(each < 0 ? each + static_cast<std::int64_t>(count) : each)) =
        true;
  }
  return found;
}

/// [outer, reduced, inner]: nothing where the reduced dimensions are apart from each other in
/// memory.
std::optional<compute::Reducing> split(const Array& array, const std::vector<std::size_t>& order,
                                       const std::vector<bool>& is_reduced) {
  compute::Reducing reducing{.outer = 1, .reduced = 1, .inner = 1};
  int part = 0;
  for (const std::size_t i : order) {
    if (is_reduced[i]) {
      if (part == 2) return std::nullopt;
      part = 1;
    } else if (part == 1) {
      part = 2;
    }
    std::int64_t& size = part == 0 ? reducing.outer : part == 1 ? reducing.reduced : reducing.inner;
    size *= array.sizes[i];
  }
  return reducing;
}

/// Strides of elements that lie side by side, those of one result together.
Sizes strides_with_last(const Sizes& sizes, const std::vector<bool>& is_reduced) {
  Sizes strides(sizes.size(), 1);
  std::int64_t next = 1;
  for (const bool reduced : {true, false}) {
    for (std::size_t i = sizes.size(); i-- > 0;) {
      if (is_reduced[i] != reduced) continue;
      strides[i] = next;
      next *= sizes[i];
    }
  }
  return strides;
}

struct Named {
  const char* name;
  compute::Reduction reduction;
};

std::optional<Named> named(const ObservedOperation& operation) {
  static const std::unordered_map<std::string_view, Named> kNames = {
      {"aten::mean", {"mean", compute::Reduction::mean}},
      {"aten::sum", {"sum", compute::Reduction::sum}},
      {"aten::amax", {"maximum", compute::Reduction::maximum}},
      {"aten::amin", {"minimum", compute::Reduction::minimum}},
  };
  const auto found = kNames.find(operation.node->kind().toQualString());
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

/// Which dimensions the operator reduces: (x, dims, keep) or (x, dims, keep, dtype), or all of them
/// for (x, dtype). Nothing where the result is of another dtype.
std::optional<std::vector<bool>> reduced_by(const Planner& planner,
                                            const ObservedOperation& operation) {
  const auto& inputs = operation.inputs;
  const std::size_t count = planner.tensor(inputs[0])->sizes.size();
  if (inputs.size() == 2) {
    return planner.is_none(inputs[1]) ? std::optional(std::vector<bool>(count, true))
                                      : std::nullopt;
  }
  if (inputs.size() == 4 && !planner.is_none(inputs[3])) return std::nullopt;
  if (inputs.size() != 3 && inputs.size() != 4) return std::nullopt;
  return reduced(planner, inputs[1], count);
}

}  // namespace

bool lower_reduction(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  if (!planner.is_array(inputs[0]) || !planner.is_array(operation.outputs[0])) return false;
  const auto named = torchship::named(operation);
  const auto is_reduced = reduced_by(planner, operation);
  if (!named || !is_reduced) return false;
  const Sizes& sizes = planner.tensor(inputs[0])->sizes;
  Array input = planner.array(inputs[0]);
  auto order = memory_order(input.sizes, input.strides);
  auto reducing = order ? split(input, *order, *is_reduced) : std::nullopt;
  if (!reducing) {
    input = planner.with_strides(input, strides_with_last(sizes, *is_reduced));
    order = memory_order(input.sizes, input.strides);
    reducing = order ? split(input, *order, *is_reduced) : std::nullopt;
  }
  if (!reducing || input.numel() == 0) return false;
  reducing->reduction = named->reduction;

  // What is left keeps its order in memory.
  Sizes strides(sizes.size(), 1);
  std::int64_t next = 1;
  for (std::size_t i = order->size(); i-- > 0;) {
    if ((*is_reduced)[(*order)[i]]) continue;
    strides[(*order)[i]] = next;
    next *= sizes[(*order)[i]];
  }
  const Sizes& kept = planner.tensor(operation.outputs[0])->sizes;
  Sizes kept_strides;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (kept.size() == sizes.size() || !(*is_reduced)[i]) kept_strides.push_back(strides[i]);
  }
  const Array result = planner.make_array(kept, kept_strides);
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const bool is_large = input.numel() > 1 << 15;
  emit_simple(planner, {named->name, "", static_cast<double>(input.numel())},
              planner.kernels().reduce, *reducing, input, result, is_large);
  return true;
}

}  // namespace torchship
