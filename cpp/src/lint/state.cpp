#include <set>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/enum_tag.h>
#include <ATen/core/function_schema.h>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

bool draws_random_numbers(const jit::Node& node) {
  const c10::FunctionSchema* schema = node.maybeSchema();
  if (schema == nullptr) return false;
  const auto handle = c10::Dispatcher::singleton().findSchema(schema->operator_name());
  return handle && handle->hasTag(at::Tag::nondeterministic_seeded);
}

/// Of these, what they are told decides; train-mode has those that are on.
bool asks_for_mode(const jit::Node& node) {
  return argument(node, "train") != nullptr || argument(node, "training") != nullptr ||
         argument(node, "dropout_p") != nullptr;
}

/// The attribute of a module that a value is, or is a view of; empty when it is none.
std::string attribute_behind(const jit::Value* value) {
  constexpr int kSteps = 32;
  for (int step = 0; step < kSteps; ++step) {
    const jit::Node* node = value->node();
    if (node->kind() == c10::prim::GetAttr) return node->s(c10::attr::name);
    const c10::FunctionSchema* schema = node->maybeSchema();
    const bool is_view = schema != nullptr && !schema->returns().empty() &&
                         schema->returns()[0].alias_info() != nullptr && !node->inputs().empty();
    if (!is_view) return {};
    value = node->inputs()[0];
  }
  return {};
}

/// The attribute that a node changes; empty when it changes none.
std::string changed_attribute(const jit::Node& node) {
  if (node.kind() == c10::prim::SetAttr) {
    const std::string& name = node.s(c10::attr::name);
    // `self.calls += 1` changes the tensor in place, and then puts it where it is.
    return attribute_behind(node.inputs()[1]) == name ? std::string() : name;
  }
  const c10::FunctionSchema* schema = node.maybeSchema();
  if (schema == nullptr || !schema->is_mutable()) return {};
  for (std::size_t i = 0; i < node.inputs().size() && i < schema->arguments().size(); ++i) {
    const c10::AliasInfo* alias = schema->arguments()[i].alias_info();
    if (alias == nullptr || !alias->isWrite()) continue;
    if (std::string name = attribute_behind(node.inputs()[i]); !name.empty()) return name;
  }
  return {};
}

}  // namespace

std::vector<Hit> find_random(const Subject& subject) {
  std::vector<Hit> hits;
  for (const Scope& scope : subject.scopes()) {
    visit_live(*scope.graph->block(), [&](const jit::Node& node) {
      if (!draws_random_numbers(node) || asks_for_mode(node)) return;
      hits.push_back(
          hit(subject, scope, node,
              make_finding("random", scope.training ? "note" : "warning",
                           name_of(node) + " draws random numbers: two calls with the same inputs "
                                           "may differ",
                           "draw outside the model and pass the numbers in")));
    });
  }
  return hits;
}

std::vector<Hit> find_state_changes(const Subject& subject) {
  std::vector<Hit> hits;
  for (const Scope& scope : subject.scopes()) {
    if (scope.function == "__setstate__" || scope.function == "__init__") continue;
    visit_live(*scope.graph->block(), [&](const jit::Node& node) {
      const std::string attribute = changed_attribute(node);
      // R torch's archives switch their mode themselves.
      if (attribute.empty() || attribute == "training") return;
      hits.push_back(
          hit(subject, scope, node,
              make_finding("state-change", scope.training ? "note" : "warning",
                           "a call changes the attribute '" + attribute +
                               "': what later calls give depends on those before",
                           "return the new state and pass it in with the next call")));
    });
  }
  return hits;
}

}  // namespace torchship
