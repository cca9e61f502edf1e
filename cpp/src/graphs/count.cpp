#include "graphs/count.h"

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
  if (node.hasAttribute(c10::attr::Subgraph)) return NodeKind::call;  // A fork, a fallback.
  return kind.is_prim() ? NodeKind::container : NodeKind::operator_;
}

namespace {

void count(jit::Graph& graph, std::map<std::string, std::int64_t>& counts) {
  for_each_node(*graph.block(), [&](jit::Node* node) {
    const NodeKind kind = kind_of(*node);
    if (kind == NodeKind::operator_) ++counts[node->kind().toQualString()];
    if (kind == NodeKind::kernel) count(*node->g(c10::attr::Subgraph), counts);
  });
}

}  // namespace

std::map<std::string, std::int64_t> operators_of(jit::Graph& graph) {
  std::map<std::string, std::int64_t> counts;
  count(graph, counts);
  return counts;
}

}  // namespace torchship
