#include "graphs/writes.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// In training, norms update the statistics that they are given, and their schemas do not say so.
bool updates_statistics(const jit::Node& node) {
  constexpr std::size_t kRunningMean = 3, kTraining = 5;
  const bool is_norm = node.kind() == c10::aten::batch_norm || node.kind() == c10::aten::instance_norm;
  if (!is_norm || node.inputs().size() <= kTraining || node.input(kRunningMean)->mustBeNone()) {
    return false;
  }
  const auto training = jit::toIValue(node.input(kTraining));
  return !training || !training->isBool() || training->toBool();
}

}  // namespace

bool may_write(const jit::Node& node) {
  const c10::Symbol kind = node.kind();
  if (kind == c10::prim::SetAttr || kind == c10::prim::CallMethod ||
      kind == c10::prim::CallFunction || node.hasAttribute(c10::attr::Subgraph)) {
    return true;
  }
  if (updates_statistics(node)) return true;
  const jit::Operator* const called = node.maybeOperator();
  // Custom operators need not say what they do.
  return called != nullptr && (called->schema().is_mutable() ||
                               called->aliasAnalysisKind() == c10::AliasAnalysisKind::CONSERVATIVE);
}

bool may_write(jit::Graph& graph) {
  bool found = false;
  for_each_node(*graph.block(), [&](const jit::Node* node) { found = found || may_write(*node); });
  return found;
}

}  // namespace torchship
