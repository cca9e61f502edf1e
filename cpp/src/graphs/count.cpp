#include "graphs/count.h"

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/inline.h"
#include "graphs/visit.h"

namespace torchship {

namespace jit = torch::jit;
namespace prim = c10::prim;

NodeKind kind_of(const jit::Node& node) {
  const c10::Symbol kind = node.kind();
  if (kind == prim::Constant) return NodeKind::constant;
  if (kind == prim::GetAttr || kind == prim::SetAttr) return NodeKind::attribute;
  if (kind == prim::If || kind == prim::Loop) return NodeKind::control;
  if (kind == prim::TensorExprGroup || kind == prim::FusionGroup) return NodeKind::kernel;
  if (kind == prim::CallMethod || kind == prim::CallFunction) return NodeKind::call;
  if (node.hasAttribute(c10::attr::Subgraph)) {  // A kernel of ours; a fork, a fallback.
    return kind.is_prim() ? NodeKind::call : NodeKind::kernel;
  }
  return kind.is_prim() ? NodeKind::container : NodeKind::operator_;
}

namespace {

/// Whether folding makes the node's constants part of a convolution or linear layer.
bool is_foldable(const jit::Node& node) {
  switch (node.kind()) {
    case c10::aten::batch_norm:
    case c10::aten::add:
    case c10::aten::sub:
    case c10::aten::mul:
    case c10::aten::div: return true;
    default: return false;
  }
}

std::int64_t constant_bytes(const jit::Node& node) {
  std::int64_t bytes = 0;
  for (const jit::Value* input : node.inputs()) {
    if (!input->type()->isSubtypeOf(*c10::TensorType::get())) continue;
    const auto value = jit::toIValue(input);
    if (value && value->isTensor() && value->toTensor().defined()) {
      bytes += static_cast<std::int64_t>(value->toTensor().nbytes());
    }
  }
  return bytes;
}

void count(jit::Graph& graph, NodeCount& sum) {
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (kind_of(*node) == NodeKind::operator_) ++sum.operators[node->kind().toQualString()];
    if (is_foldable(*node)) sum.foldable_bytes += constant_bytes(*node);
    if (jit::Function* callee = callee_of(*node)) count(*jit::toGraphFunction(*callee).graph(), sum);
    if (node->hasAttribute(c10::attr::Subgraph)) count(*node->g(c10::attr::Subgraph), sum);
  });
}

/// What there is more of in `counts` than in `other`.
std::map<std::string, std::int64_t> excess(const std::map<std::string, std::int64_t>& counts,
                                           const std::map<std::string, std::int64_t>& other) {
  std::map<std::string, std::int64_t> more;
  for (const auto& [name, count] : counts) {
    const auto found = other.find(name);
    const std::int64_t difference = count - (found == other.end() ? 0 : found->second);
    if (difference > 0) more[name] = difference;
  }
  return more;
}

}  // namespace

std::size_t NodeCount::total() const {
  std::int64_t sum = 0;
  for (const auto& [name, count] : operators) sum += count;
  return static_cast<std::size_t>(sum);
}

NodeCount count_nodes(jit::Graph& graph) {
  NodeCount sum;
  count(graph, sum);
  return sum;
}

GraphPass make_pass(std::string name, const NodeCount& before, const NodeCount& after) {
  GraphPass pass;
  pass.name = std::move(name);
  pass.operators_before = before.total();
  pass.operators_after = after.total();
  pass.removed = excess(before.operators, after.operators);
  pass.added = excess(after.operators, before.operators);
  return pass;
}

}  // namespace torchship
