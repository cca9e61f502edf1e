#include "lint/nodes.h"

#include <algorithm>

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/ir/constants.h>

namespace torchship {

namespace jit = torch::jit;

namespace {

/// LibTorch throws at constants that cannot be.
std::optional<c10::IValue> constant(const jit::Value* value) {
  if (value == nullptr || value->node()->kind() != c10::prim::Constant) return std::nullopt;
  try {
    return jit::toIValue(value);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

constexpr int kDeepest = 64;  ///< Steps from a condition to what it depends on.

/// What a condition is in eval mode, where that can be told.
std::optional<bool> in_eval_mode(const jit::Value* value, int depth = 0) {
  if (depth > kDeepest) return std::nullopt;
  const jit::Node* node = value->node();
  if (node->kind() == c10::prim::GetAttr && node->s(c10::attr::name) == "training") return false;
  if (node->kind() == c10::aten::__not__) {
    const std::optional<bool> inner = in_eval_mode(node->input(0), depth + 1);
    return inner ? std::optional(!*inner) : std::nullopt;
  }
  if (node->kind() == c10::prim::If) {
    const std::optional<bool> condition = in_eval_mode(node->input(0), depth + 1);
    if (!condition) return std::nullopt;
    const jit::Block* taken = node->blocks()[*condition ? 0 : 1];
    return in_eval_mode(taken->outputs()[value->offset()], depth + 1);
  }
  return known_bool(value);
}

void visit_block(jit::Block& block, int depth, const std::function<void(jit::Node&)>& visit) {
  constexpr int kDeepestBlock = 1000;
  if (depth > kDeepestBlock) return;
  for (jit::Node* node : block.nodes()) {
    visit(*node);
    const bool branches = node->kind() == c10::prim::If;
    const auto condition = branches ? in_eval_mode(node->input(0)) : std::nullopt;
    for (std::size_t i = 0; i < node->blocks().size(); ++i) {
      const bool dead = condition && i != (*condition ? 0U : 1U);
      if (!dead) visit_block(*node->blocks()[i], depth + 1, visit);
    }
  }
}

}  // namespace

const jit::Value* argument(const jit::Node& node, std::string_view name) {
  const c10::FunctionSchema* schema = node.maybeSchema();
  if (schema == nullptr) return nullptr;
  const std::optional<int> index = schema->argumentIndexWithName(name);
  if (!index || static_cast<std::size_t>(*index) >= node.inputs().size()) return nullptr;
  return node.inputs()[static_cast<std::size_t>(*index)];
}

std::optional<bool> known_bool(const jit::Value* value) {
  const auto held = constant(value);
  return held && held->isBool() ? std::optional(held->toBool()) : std::nullopt;
}

std::optional<std::int64_t> known_int(const jit::Value* value) {
  const auto held = constant(value);
  return held && held->isInt() ? std::optional(held->toInt()) : std::nullopt;
}

std::optional<double> known_number(const jit::Value* value) {
  const auto held = constant(value);
  if (held && held->isInt()) return static_cast<double>(held->toInt());
  return held && held->isDouble() ? std::optional(held->toDouble()) : std::nullopt;
}

std::optional<c10::Device> known_device(const jit::Value* value) {
  const auto held = constant(value);
  return held && held->isDevice() ? std::optional(held->toDevice()) : std::nullopt;
}

std::optional<std::vector<std::optional<std::int64_t>>> known_sizes(const jit::Value* value) {
  std::vector<std::optional<std::int64_t>> sizes;
  if (value == nullptr) return std::nullopt;
  if (value->node()->kind() == c10::prim::ListConstruct) {
    for (const jit::Value* item : value->node()->inputs()) sizes.push_back(known_int(item));
    return sizes;
  }
  const auto held = constant(value);
  if (!held || !held->isIntList()) return std::nullopt;
  for (const std::int64_t size : held->toIntVector()) sizes.emplace_back(size);
  return sizes;
}

void visit_live(jit::Block& block, const std::function<void(jit::Node&)>& visit) {
  visit_block(block, 0, visit);
}

std::string name_of(const jit::Node& node) { return node.kind().toQualString(); }

Dependents::Dependents(jit::Graph& graph) {
  for (const jit::Value* input : graph.inputs()) {
    if (input->type()->kind() != c10::TypeKind::ClassType) values_.insert(input);
  }
  spread(*graph.block());
}

Dependents::Dependents(jit::Graph& graph, const jit::Node& node) {
  values_.insert(node.outputs().begin(), node.outputs().end());
  spread(*graph.block());
}

bool Dependents::touches(const jit::Node& node) const {
  if (std::any_of(node.inputs().begin(), node.inputs().end(),
                  [&](const jit::Value* value) { return contains(value); })) {
    return true;
  }
  return std::any_of(node.blocks().begin(), node.blocks().end(), [&](const jit::Block* block) {
    return std::any_of(block->outputs().begin(), block->outputs().end(),
                       [&](const jit::Value* value) { return contains(value); });
  });
}

/// One pass is enough but for values that a loop carries, which then seem to depend on nothing.
void Dependents::spread(jit::Block& block) {
  for (jit::Node* node : block.nodes()) {
    if (node->kind() == c10::prim::Loop && touches(*node)) {
      values_.insert(node->blocks()[0]->inputs().begin(), node->blocks()[0]->inputs().end());
    }
    for (jit::Block* inner : node->blocks()) spread(*inner);
    if (touches(*node)) values_.insert(node->outputs().begin(), node->outputs().end());
  }
}

}  // namespace torchship
