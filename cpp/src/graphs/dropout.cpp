#include "graphs/dropout.h"

#include <array>
#include <algorithm>
#include <optional>
#include <vector>

#include <torch/csrc/jit/ir/constants.h>

#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;
namespace aten = c10::aten;

/// (input, p, train) -> input where `train` is false.
bool is_idle_dropout(const jit::Node& node) {
  static const std::array kinds = {aten::dropout, aten::dropout_, aten::feature_dropout,
                                   aten::feature_dropout_, aten::alpha_dropout,
                                   aten::feature_alpha_dropout};
  if (std::find(kinds.begin(), kinds.end(), node.kind()) == kinds.end()) return false;
  if (node.inputs().size() != 3) return false;
  const std::optional<c10::IValue> train = jit::toIValue(node.input(2));
  return train && train->isBool() && !train->toBool();
}

}  // namespace

void remove_idle_dropout(jit::Graph& graph) {
  std::vector<jit::Node*> idle;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (is_idle_dropout(*node)) idle.push_back(node);
  });
  for (jit::Node* node : idle) {
    node->output()->replaceAllUsesWith(node->input(0));
    node->destroy();
  }
}

}  // namespace torchship
