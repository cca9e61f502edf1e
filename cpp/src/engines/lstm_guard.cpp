#include "engines/lstm_guard.h"

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr const char* kChecked = "torchship::checked_lstm_input";

using Tensors = std::vector<at::Tensor>;

/// Arguments of aten::lstm that sizes depend on.
struct Lstm {
  at::Tensor input;
  Tensors states;
  Tensors weights;
  bool has_biases;
  std::int64_t layers;
  bool bidirectional;
  bool batch_first;

  std::int64_t directions() const { return bidirectional ? 2 : 1; }
};

void require_sizes(const at::Tensor& tensor, const std::vector<std::int64_t>& sizes,
                   const std::string& what) {
  if (tensor.defined() && tensor.sizes() == at::IntArrayRef(sizes)) return;
  std::ostringstream text;
  text << "lstm: " << what << " must have the sizes " << at::IntArrayRef(sizes) << ", and has ";
  if (tensor.defined()) text << tensor.sizes();
  throw std::runtime_error(text.str());
}

/// oneDNN takes the sizes from the input and reads that much of a weight. Archives are about whose
/// weights are wider than what they are given, and what they answer is what LibTorch answers.
void require_enough(const at::Tensor& weight, std::int64_t rows, std::int64_t width,
                    const std::string& what) {
  const bool enough = weight.defined() && weight.dim() == 2 && weight.size(0) >= rows &&
                      weight.size(1) >= width;
  if (!enough) require_sizes(weight, {rows, width}, what);
}

void require_weights(const Lstm& lstm, std::int64_t hidden) {
  const std::int64_t step = lstm.has_biases ? 4 : 2;
  const std::int64_t cells = lstm.layers * lstm.directions();
  if (lstm.layers < 1 || static_cast<std::int64_t>(lstm.weights.size()) != cells * step) {
    throw std::runtime_error("lstm: the number of weights does not fit the number of layers");
  }
  const std::int64_t gates = 4 * hidden;
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const bool first = cell < lstm.directions();
    const std::int64_t width = first ? lstm.input.size(2) : hidden * lstm.directions();
    const at::Tensor* weights = lstm.weights.data() + cell * step;
    const std::string layer = " of layer " + std::to_string(cell / lstm.directions());
    require_enough(weights[0], gates, width, "the weight of the input" + layer);
    require_sizes(weights[1], {gates, hidden}, "the weight of the state" + layer);
    if (!lstm.has_biases) continue;
    require_sizes(weights[2], {gates}, "a bias" + layer);
    require_sizes(weights[3], {gates}, "a bias" + layer);
  }
}

void require_fitting(const Lstm& lstm) {
  if (lstm.input.dim() != 3 || lstm.states.size() != 2 || lstm.states[0].dim() != 3) {
    throw std::runtime_error("lstm: the input and the two states must have three dimensions");
  }
  const std::int64_t hidden = lstm.states[0].size(2);
  // With projections the states differ, and LibTorch takes a path that looks at sizes.
  if (lstm.states[1].dim() == 3 && lstm.states[1].size(2) != hidden) return;
  const std::int64_t batch = lstm.input.size(lstm.batch_first ? 0 : 1);
  for (const at::Tensor& state : lstm.states) {
    require_sizes(state, {lstm.layers * lstm.directions(), batch, hidden}, "a state");
  }
  require_weights(lstm, hidden);
}

/// (input, states, weights, has_biases, layers, bidirectional, batch_first) -> the input.
void check(jit::Stack& stack) {
  Lstm lstm;
  jit::pop(stack, lstm.input, lstm.states, lstm.weights, lstm.has_biases, lstm.layers,
           lstm.bidirectional, lstm.batch_first);
  require_fitting(lstm);
  jit::push(stack, std::move(lstm.input));
}

const jit::RegisterOperators kOperators({jit::Operator(
    std::string(kChecked) + "(Tensor(a) input, Tensor[] states, Tensor[] weights, bool has_biases, "
                            "int layers, bool bidirectional, bool batch_first) -> Tensor(a)",
    check, c10::AliasAnalysisKind::FROM_SCHEMA)});

/// aten::lstm(input, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first)
bool is_lstm(const jit::Node& node) {
  return node.kind() == c10::aten::lstm && node.inputs().size() == 9 &&
         node.input(1)->type()->kind() == c10::TypeKind::ListType;
}

void collect(jit::Block& block, std::vector<jit::Node*>& found) {
  for (jit::Node* node : block.nodes()) {
    if (is_lstm(*node)) found.push_back(node);
    for (jit::Block* inner : node->blocks()) collect(*inner, found);
  }
}

}  // namespace

std::shared_ptr<jit::Graph> with_lstm_checks(const std::shared_ptr<jit::Graph>& graph) {
  std::vector<jit::Node*> found;
  collect(*graph->block(), found);
  if (found.empty()) return graph;
  std::shared_ptr<jit::Graph> checked = graph->copy();
  found.clear();
  collect(*checked->block(), found);
  for (jit::Node* node : found) {
    jit::Node* check = checked->create(c10::Symbol::fromQualString(kChecked), 1);
    for (const std::size_t input : {0, 1, 2, 3, 4, 7, 8}) check->addInput(node->input(input));
    check->insertBefore(node);
    check->setSourceRange(node->sourceRange());
    node->replaceInput(0, check->output());
  }
  return checked;
}

}  // namespace torchship
