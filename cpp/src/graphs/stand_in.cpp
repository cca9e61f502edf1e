#include "graphs/stand_in.h"

#include <memory>
#include <unordered_map>

#include <ATen/core/Tensor.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

const c10::Symbol kOperator = c10::Symbol::attr("stands_for");
const c10::Symbol kInputs = c10::Symbol::attr("stands_for_inputs");

bool is_plain_constant(const jit::Value& value) {
  return value.node()->kind() == c10::prim::Constant &&
         !value.type()->isSubtypeOf(*c10::TensorType::get());
}

}  // namespace

void stand_in(jit::Node* node, const Original& original) {
  node->s_(kOperator, original.operator_name);
  node->i_(kInputs, static_cast<std::int64_t>(original.inputs));
}

void stand_in(jit::Node* node, std::initializer_list<jit::Node*> originals) {
  auto members = std::make_shared<jit::Graph>();
  std::unordered_map<jit::Value*, jit::Value*> inside;
  const auto value_inside = [&](jit::Value* value) {
    const auto [known, is_new] = inside.try_emplace(value, nullptr);
    if (!is_new) return known->second;
    if (is_plain_constant(*value)) {
      jit::Node* copy = members->createClone(value->node(), [](jit::Value* v) { return v; });
      known->second = members->insertNode(copy)->output();
    } else {
      known->second = members->addInput()->copyMetadata(value);
    }
    return known->second;
  };
  for (jit::Node* original : originals) {
    for (jit::Value* input : original->inputs()) value_inside(input);
    jit::Node* copy = members->insertNode(members->createClone(original, value_inside));
    inside[original->output()] = copy->output();
  }
  members->registerOutput(inside.at((*(originals.end() - 1))->output()));
  node->g_(c10::attr::Subgraph, std::move(members));
}

std::optional<Original> original_of(const jit::Node& node) {
  if (!node.hasAttribute(kOperator)) return std::nullopt;
  return Original{.operator_name = node.s(kOperator),
                  .inputs = static_cast<std::size_t>(node.i(kInputs))};
}

}  // namespace torchship
