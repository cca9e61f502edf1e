#include <unordered_set>

#include <ATen/core/function_schema.h>
#include <torchship/error.h>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Which values the results of a graph, and what it does besides, are made of.
class Needed {
 public:
  explicit Needed(jit::Graph& graph) {
    for (const jit::Value* output : graph.outputs()) need(output);
    visit_live(*graph.block(), [&](const jit::Node& node) {
      if (acts(node)) need_inputs(node);
    });
    while (!open_.empty()) {
      const jit::Value* value = open_.back();
      open_.pop_back();
      need_inputs(*value->node());
    }
  }

  bool contains(const jit::Value* value) const { return needed_.contains(value); }

 private:
  /// Checks do not count: what is only looked at by one has no part in the results.
  static bool acts(const jit::Node& node) {
    const c10::FunctionSchema* schema = node.maybeSchema();
    return node.kind() == c10::prim::SetAttr || node.kind() == c10::prim::CallMethod ||
           node.kind() == c10::prim::fork || node.kind() == c10::prim::Print ||
           (schema != nullptr && schema->is_mutable());
  }

  void need(const jit::Value* value) {
    if (needed_.insert(value).second) open_.push_back(value);
  }

  void need_inputs(const jit::Node& node) {
    for (const jit::Value* input : node.inputs()) need(input);
    for (const jit::Block* block : node.blocks()) {
      for (const jit::Value* output : block->outputs()) need(output);
    }
    // What is done inside a branch or a loop depends on its condition too.
    if (const jit::Node* owner = node.owningBlock()->owningNode(); owner != nullptr && acts(node)) {
      for (const jit::Value* input : owner->inputs()) need(input);
    }
  }

  std::unordered_set<const jit::Value*> needed_;
  std::vector<const jit::Value*> open_;
};

bool is_number(const ValueSpec& spec) {
  return spec.kind == Kind::integer || spec.kind == Kind::floating || spec.kind == Kind::boolean;
}

/// The name of a result that is a number; nothing when there is none.
std::optional<std::string> number_in(const ValueSpec& output) {
  if (is_number(output)) return std::string(to_string(output.kind));
  if (output.kind != Kind::tuple) return std::nullopt;
  for (const ValueSpec& item : output.items) {
    if (is_number(item)) return std::string(to_string(item.kind));
  }
  return std::nullopt;
}

}  // namespace

std::vector<Hit> find_unused_inputs(const Subject& subject) {
  std::vector<Hit> hits;
  for (const MethodInfo& method : subject.info.methods) {
    const std::shared_ptr<jit::Graph> graph = subject.inlined(method.name);
    if (graph == nullptr || graph->inputs().size() != method.inputs.size() + 1) continue;
    const Needed needed(*graph);
    for (std::size_t i = 0; i < method.inputs.size(); ++i) {
      if (needed.contains(graph->inputs()[i + 1]) || method.inputs[i].constant ||
          method.name.starts_with("__")) {
        continue;
      }
      Finding finding = make_finding(
          "unused-input", is_for_training(method.name) ? "note" : "warning",
          "no result depends on the input '" + method.inputs[i].name + "'",
          "leave the input out, or use it with tensor operations", method.inputs[i].name);
      finding.method = method.name;
      hits.push_back(hit(std::move(finding)));
    }
  }
  return hits;
}

std::vector<Hit> find_number_results(const Subject& subject) {
  std::vector<Hit> hits;
  for (const MethodInfo& method : subject.info.methods) {
    const std::optional<std::string> number = number_in(method.output);
    if (!number || method.name.starts_with("__")) continue;
    const std::shared_ptr<jit::Graph> graph = subject.inlined(method.name);
    const bool constant = graph != nullptr && graph->outputs().size() == 1 &&
                          graph->outputs()[0]->node()->kind() == c10::prim::Constant;
    Finding finding = make_finding(
        "number-result", constant ? "warning" : "note",
        constant ? "the result is the same " + *number + " for all inputs: it was fixed when the "
                                                         "model was traced"
                 : "a result is a Python " + *number +
                       ": a device has to finish its work before it is known",
        "return a tensor");
    finding.method = method.name;
    hits.push_back(hit(std::move(finding)));
  }
  return hits;
}

}  // namespace torchship
