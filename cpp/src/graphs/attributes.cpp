#include "graphs/attributes.h"

#include <algorithm>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/inline.h"
#include "graphs/visit.h"
#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

std::pair<std::string, std::string> name_of(const jit::Node& node) {
  return {node.input(0)->type()->annotation_str(), node.s(c10::attr::name)};
}

/// Visits the nodes of forked graphs as well.
template <typename Visit>
void visit_all(jit::Block* block, const Visit& visit) {
  for_each_node(*block, [&](jit::Node* node) {
    visit(node);
    if (node->hasAttribute(c10::attr::Subgraph)) {
      visit_all(node->g(c10::attr::Subgraph)->block(), visit);
    }
  });
}

/// Numbers and strings are replaced, never written in place; modules are looked into.
bool may_be_written(const c10::IValue& value) {
  return value.isTensor() || value.isList() || value.isGenericDict() || value.isTuple();
}

/// Constants require no gradients.
c10::IValue without_gradient(const c10::IValue& value) {
  if (value.isTensor()) return value.toTensor().defined() ? value.toTensor().detach() : value;
  if (!value.isTensorList()) return value;
  c10::List<at::Tensor> tensors;
  for (const at::Tensor& tensor : value.toTensorVector()) tensors.push_back(tensor.detach());
  return tensors;
}

}  // namespace

ConstantAttributes::ConstantAttributes(const jit::Module& module,
                                       const std::vector<std::shared_ptr<jit::Graph>>& graphs)
    : module_(module._ivalue()) {
  for (const auto& graph : graphs) note_writes(graph);
}

void ConstantAttributes::note_writes(const std::shared_ptr<jit::Graph>& graph) {
  bool mutates = false;
  std::vector<jit::Node*> reads;
  bool forks = false;
  visit_all(graph->block(), [&](jit::Node* node) {
    if (node->kind() == c10::prim::SetAttr) replaced_.insert(name_of(*node));
    if (node->kind() == c10::prim::GetAttr) reads.push_back(node);
    forks = forks || node->kind() == c10::prim::fork || node->kind() == c10::prim::CallMethod;
    mutates = mutates || may_write(*node);
  });
  if (!mutates) return;
  const jit::AliasDb aliases(graph, /*isFrozen=*/true);
  for (jit::Node* read : reads) {
    // What a forked graph or an unknown method does to its arguments is not followed.
    const bool written = forks || aliases.hasOutputWriters(read);
    if (!written) continue;
    const std::optional<c10::IValue> value = held_by(*read->output());
    if (!value) {
      replaced_.insert(name_of(*read));
    } else if (may_be_written(*value)) {
      written_.push_back(*value);
    }
  }
}

std::optional<c10::IValue> ConstantAttributes::held_by(const jit::Value& value) const {
  const jit::Node& node = *value.node();
  if (node.kind() == c10::prim::Param) {
    const bool is_self = value.offset() == 0 && node.owningBlock()->owningNode() == nullptr;
    return is_self ? std::optional(module_) : std::nullopt;
  }
  if (node.kind() != c10::prim::GetAttr) return std::nullopt;
  const std::optional<c10::IValue> owner = held_by(*node.input());
  if (!owner || !owner->isObject() || replaced_.contains(name_of(node))) return std::nullopt;
  const c10::ivalue::Object& object = owner->toObjectRef();
  const auto slot = object.type()->findAttributeSlot(node.s(c10::attr::name));
  return slot ? std::optional(object.getSlot(*slot)) : std::nullopt;
}

std::optional<c10::IValue> ConstantAttributes::value_of(const jit::Node& get) const {
  std::optional<c10::IValue> value = held_by(*get.output());
  if (!value || value->isObject()) return std::nullopt;
  const bool changes = std::any_of(written_.begin(), written_.end(), [&](const c10::IValue& other) {
    return other.overlaps(*value);
  });
  return changes ? std::nullopt : value;
}

std::int64_t fold_attributes(jit::Graph& graph, const ConstantAttributes& attributes) {
  std::vector<jit::Node*> reads;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind() == c10::prim::GetAttr) reads.push_back(node);
  });
  std::int64_t folded = 0;
  for (jit::Node* read : reads) {
    const std::optional<c10::IValue> value = attributes.value_of(*read);
    if (!value) continue;
    const jit::WithInsertPoint before(read);
    if (const auto constant = jit::tryInsertConstant(graph, without_gradient(*value))) {
      if (value->isNone()) (*constant)->setType(read->output()->type());
      (*constant)->node()->setSourceRange(read->sourceRange());
      (*constant)->setDebugName("self." + path_of(*read->output()));
      read->output()->replaceAllUsesWith(*constant);
      ++folded;
    }
  }
  return folded;
}

}  // namespace torchship
