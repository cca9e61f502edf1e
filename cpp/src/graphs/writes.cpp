#include "graphs/writes.h"

#include <torch/csrc/jit/runtime/operator.h>

#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

bool may_write(const jit::Node& node) {
  const c10::Symbol kind = node.kind();
  if (kind == c10::prim::SetAttr || kind == c10::prim::CallMethod ||
      kind == c10::prim::CallFunction || node.hasAttribute(c10::attr::Subgraph)) {
    return true;
  }
  const jit::Operator* const called = node.maybeOperator();
  // Custom operators need not say what they do.
  return called != nullptr && (called->schema().is_mutable() ||
                               called->aliasAnalysisKind() == c10::AliasAnalysisKind::CONSERVATIVE);
}

}  // namespace

bool may_write(jit::Graph& graph) {
  bool found = false;
  for_each_node(*graph.block(), [&](const jit::Node* node) { found = found || may_write(*node); });
  return found;
}

}  // namespace torchship
