#include "engines/intermediates.h"

#include <memory>

#include "engines/results.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

bool is_operator(const jit::Node& node) {
  return node.kind() != c10::prim::Constant && node.kind() != c10::prim::GetAttr;
}

/// Makes the graph return a clone of `value` that is taken right after `node`.
void add_clone(jit::Graph& graph, jit::Node& node, jit::Value& value) {
  const jit::WithInsertPoint after(node.next());
  graph.registerOutput(graph.insert(c10::aten::clone, {&value}));
}

/// Makes the graph return the result of each operator, and says what each result is.
std::vector<Intermediate> add_results(jit::Graph& graph) {
  const std::vector<jit::Node*> nodes(graph.nodes().begin(), graph.nodes().end());
  std::vector<Intermediate> labels;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    jit::Node& node = *nodes[i];
    for (std::size_t k = 0; is_operator(node) && k < node.outputs().size(); ++k) {
      if (node.outputs()[k]->type()->isSubtypeOf(*c10::TensorType::get())) {
        add_clone(graph, node, *node.outputs()[k]);
        labels.push_back({.node = i,
                          .output = k,
                          .operator_name = node.kind().toQualString(),
                          .source = user_line(node),
                          .value = {}});
      }
    }
  }
  return labels;
}

std::shared_ptr<jit::Graph> with_results(jit::Graph& original,
                                         std::vector<Intermediate>& labels) {
  std::shared_ptr<jit::Graph> graph = original.copy();
  labels = add_results(*graph);
  return graph;
}

}  // namespace

Recording::Recording(const Recorded& original)
    : program_(original.schema, with_results(*original.graph, labels_)) {}

std::vector<Intermediate> Recording::finish(const std::vector<c10::IValue>& stack) {
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    labels_[i].value = hand_out(stack.at(i + 1).toTensor(), {}).to(at::kCPU);
  }
  return std::move(labels_);
}

}  // namespace torchship
