#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using Sizes = std::vector<std::optional<std::int64_t>>;

/// The first size of an input as the model was traced; nothing where the file does not tell.
std::optional<std::int64_t> first_size(const ValueSpec& spec) {
  if (spec.shape && !spec.shape->empty()) {
    const std::int64_t size = spec.shape->front().size;
    return size > 0 ? std::optional(size) : std::nullopt;
  }
  if (!spec.traced_shape || spec.traced_shape->empty()) return std::nullopt;
  return spec.traced_shape->front();
}

bool varies(const ValueSpec& spec) {
  return spec.shape && !spec.shape->empty() && spec.shape->front().size < 0;
}

/// The batch size that a method was traced with; nothing where the manifest proves that it varies,
/// or the inputs do not agree on one.
std::optional<std::int64_t> batch_of(const MethodInfo& method) {
  std::optional<std::int64_t> batch;
  for (const ValueSpec& input : method.inputs) {
    if (varies(input)) return std::nullopt;
    const std::optional<std::int64_t> size = first_size(input);
    if (!size) continue;
    if (batch && *batch != *size) return std::nullopt;
    batch = size;
  }
  return batch;
}

bool all_known(const Sizes& sizes) {
  return std::all_of(sizes.begin(), sizes.end(),
                     [](const auto& size) { return size.has_value() && *size >= 0; });
}

/// Gives a tensor another shape whose first size is the batch's. Where every size is a number, so
/// is the number of elements; with a size left open, a batch of one proves nothing.
bool reshapes(const jit::Node& node, const Dependents& from_inputs, std::int64_t batch) {
  const std::string name = name_of(node);
  const bool is_reshape = name == "aten::reshape";
  const bool is_view = is_reshape || name == "aten::view" || name == "aten::_unsafe_view";
  if ((!is_view && name != "aten::expand") || !from_inputs.contains(node.inputs()[0])) return false;
  const auto sizes = known_sizes(argument(node, is_reshape ? "shape" : "size"));
  if (!sizes || sizes->size() < 2 || sizes->front() != batch) return false;
  return batch > 1 || (is_view && all_known(*sizes));
}

/// Widens what does not depend on the inputs, such as a learned token, to the batch.
bool widens(const jit::Node& node, const Dependents& from_inputs, std::int64_t batch) {
  const std::string name = name_of(node);
  if (name != "aten::expand" && name != "aten::repeat") return false;
  const auto sizes = known_sizes(argument(node, name == "aten::repeat" ? "repeats" : "size"));
  return batch > 1 && sizes && sizes->size() > 1 && sizes->front() == batch &&
         !from_inputs.contains(node.inputs()[0]);
}

bool creates(const jit::Node& node, std::int64_t batch) {
  static const std::set<std::string> kCreators = {
      "aten::zeros",     "aten::ones",     "aten::full",      "aten::empty",    "aten::rand",
      "aten::randn",     "aten::new_zeros", "aten::new_ones", "aten::new_full", "aten::new_empty"};
  const auto sizes = known_sizes(argument(node, "size"));
  if (batch < 2 || !sizes || sizes->size() < 2 || !kCreators.contains(name_of(node))) return false;
  // A recurrent layer's state has the batch second.
  return sizes->front() == batch || (sizes->size() > 2 && (*sizes)[1] == batch);
}

/// Whether what a node makes meets what comes from the inputs.
bool meets_inputs(jit::Graph& graph, const jit::Node& node, const Dependents& from_inputs) {
  const Dependents made(graph, node);
  bool meets = false;
  visit_live(*graph.block(), [&](const jit::Node& other) {
    bool uses_made = false;
    bool uses_inputs = false;
    for (const jit::Value* value : other.inputs()) {
      uses_made = uses_made || made.contains(value);
      uses_inputs = uses_inputs || (from_inputs.contains(value) && !made.contains(value));
    }
    meets = meets || (uses_made && uses_inputs);
  });
  return meets;
}

void look_at(const Subject& subject, const Scope& scope, std::int64_t batch,
             std::vector<Hit>& hits) {
  const Dependents from_inputs(*scope.graph);
  constexpr int kMostTried = 200;  // Each is one more walk through the graph.
  int tried = 0;
  visit_live(*scope.graph->block(), [&](const jit::Node& node) {
    const bool candidate = creates(node, batch) || widens(node, from_inputs, batch);
    const bool fixed = reshapes(node, from_inputs, batch) ||
                       (candidate && ++tried <= kMostTried &&
                        meets_inputs(*scope.graph, node, from_inputs));
    if (!fixed) return;
    hits.push_back(hit(subject, scope, node,
                       make_finding("baked-size", scope.training ? "note" : "warning",
                                    name_of(node) + " has the batch size of the example, " +
                                        std::to_string(batch) +
                                        ", as a constant: other batches fail or give wrong results",
                                    "use x.shape[0] without int(), range() or len(), and -1 for "
                                    "one size of a view")));
  });
}

}  // namespace

std::vector<Hit> find_baked_sizes(const Subject& subject) {
  std::vector<Hit> hits;
  for (const Scope& scope : subject.scopes()) {
    const MethodInfo* method = subject.info.find(scope.method);
    const std::optional<std::int64_t> batch = method != nullptr ? batch_of(*method) : std::nullopt;
    if (batch) look_at(subject, scope, *batch, hits);
  }
  return hits;
}

}  // namespace torchship
