#include "planned/library_call.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace torchship {
namespace {

namespace jit = torch::jit;

/// What the blocks of a node take from outside of them.
void add_captured(jit::Block& block, std::unordered_set<const jit::Value*> known,
                  std::vector<jit::Value*>& captured) {
  const auto take = [&](jit::Value* value) {
    if (!known.contains(value) &&
        std::find(captured.begin(), captured.end(), value) == captured.end()) {
      captured.push_back(value);
    }
  };
  for (const jit::Value* input : block.inputs()) known.insert(input);
  for (jit::Node* node : block.nodes()) {
    for (jit::Value* input : node->inputs()) take(input);
    for (jit::Block* inner : node->blocks()) add_captured(*inner, known, captured);
    for (const jit::Value* output : node->outputs()) known.insert(output);
  }
  for (jit::Value* output : block.outputs()) take(output);
}

/// A graph with a copy of the node alone.
std::shared_ptr<jit::Graph> graph_of(jit::Node& node, const std::vector<jit::Value*>& inputs) {
  auto graph = std::make_shared<jit::Graph>();
  std::unordered_map<jit::Value*, jit::Value*> inner;
  for (jit::Value* input : inputs) {
    jit::Value* const own = graph->addInput();
    own->setType(input->type());
    inner.emplace(input, own);
  }
  jit::Node* const copy =
      graph->createClone(&node, [&](jit::Value* value) { return inner.at(value); });
  graph->appendNode(copy);
  for (jit::Value* output : copy->outputs()) graph->registerOutput(output);
  return graph;
}

}  // namespace

LibraryCall::LibraryCall(jit::Node& node) {
  // The interpreter has instructions of its own for most of "prim"; operators of that name differ.
  const bool is_operator = node.blocks().empty() && !node.kind().is_prim();
  if (const jit::Operator* const known = is_operator ? node.maybeOperator() : nullptr) {
    inputs_.assign(node.inputs().begin(), node.inputs().end());
    operation_ = known->getOperation(&node);
    return;
  }
  for (jit::Value* input : node.inputs()) {
    if (std::find(inputs_.begin(), inputs_.end(), input) == inputs_.end()) inputs_.push_back(input);
  }
  for (jit::Block* block : node.blocks()) add_captured(*block, {}, inputs_);
  code_.emplace(graph_of(node, inputs_), node.kind().toQualString());
}

void LibraryCall::run(jit::Stack& stack) const {
  if (operation_) {
    (*operation_)(stack);
  } else {
    jit::InterpreterState(*code_).run(stack);
  }
}

}  // namespace torchship
