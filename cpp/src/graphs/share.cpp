#include "graphs/share.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/node_hashing.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_pooling.h>

#include "graphs/visit.h"
#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Elements up to which comparing costs nothing.
constexpr std::int64_t kSmall = 64;

std::optional<at::Tensor> weight_of(const jit::Node& node) {
  if (node.kind() != c10::prim::Constant) return std::nullopt;
  const auto value = jit::toIValue(node.output());
  if (!value || !value->isTensor() || !value->toTensor().defined()) return std::nullopt;
  const at::Tensor& tensor = value->toTensor();
  const bool is_large = tensor.layout() == at::kStrided && tensor.numel() > kSmall;
  return is_large ? std::optional(tensor) : std::nullopt;
}

/// What two tensors have in common that show the same memory in the same way.
using Place = std::tuple<const void*, at::ScalarType, std::vector<std::int64_t>,
                         std::vector<std::int64_t>>;

Place place_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr(), tensor.scalar_type(), tensor.sizes().vec(),
          tensor.strides().vec()};
}

/// Makes a graph's weights inputs of it, one for each place in memory, until they are brought back as
/// constants at its start.
class WeightsAside {
 public:
  explicit WeightsAside(jit::Graph& graph) : graph_(graph), first_(graph.inputs().size()) {
    std::vector<jit::Node*> constants;
    for_each_node(*graph.block(), [&](jit::Node* node) {
      if (weight_of(*node)) constants.push_back(node);
    });
    for (jit::Node* constant : constants) put_aside(constant);
  }

  void bring_back() {
    const jit::WithInsertPoint start(*graph_.block()->nodes().begin());
    for (const Weight& weight : weights_) {
      jit::Value* input = graph_.inputs()[first_];
      if (input->hasUses()) bring_back(weight, input);
      graph_.eraseInput(first_);
    }
  }

 private:
  struct Weight {
    at::Tensor tensor;
    std::string name;  ///< Empty where it is a number.
    torch::jit::SourceRange source;
  };

  void put_aside(jit::Node* constant) {
    at::Tensor tensor = *weight_of(*constant);
    const auto [known, is_new] = known_.try_emplace(place_of(tensor), first_ + weights_.size());
    if (is_new) {
      const jit::Value* output = constant->output();
      weights_.push_back({.tensor = std::move(tensor),
                          .name = output->hasDebugName() ? output->debugName() : "",
                          .source = constant->sourceRange()});
      graph_.addInput()->setType(constant->output()->type());
    }
    constant->output()->replaceAllUsesWith(graph_.inputs()[known->second]);
    constant->destroy();
  }

  void bring_back(const Weight& weight, jit::Value* input) {
    jit::Value* constant = graph_.insertConstant(weight.tensor, weight.source);
    if (!weight.name.empty()) constant->setDebugName(weight.name);
    input->replaceAllUsesWith(constant);
  }

  jit::Graph& graph_;
  const std::size_t first_;
  std::vector<Weight> weights_;
  std::map<Place, std::size_t> known_;
};

bool may_be_shared(const jit::Node& node) {
  return node.kind() != c10::prim::Constant && node.blocks().empty() && !node.hasSideEffects() &&
         !node.isNondeterministic() && !node.outputs().empty();
}

/// Whether a caller may get hold of a result, or of a view of it.
bool may_escape(const jit::Node& node) {
  const auto shows = [](const jit::Use& use) {
    const c10::FunctionSchema* const schema = use.user->maybeSchema();
    if (schema == nullptr || use.user->kind().is_prim()) return true;
    const auto& returns = schema->returns();
    return std::any_of(returns.begin(), returns.end(),
                       [](const c10::Argument& each) { return each.alias_info() != nullptr; });
  };
  const auto outputs = node.outputs();
  return std::any_of(outputs.begin(), outputs.end(), [&](const jit::Value* output) {
    return std::any_of(output->uses().begin(), output->uses().end(), shows);
  });
}

using Nodes = std::unordered_set<jit::Node*, jit::HashNode, jit::EqualNode>;

void take_over(jit::Node* first, jit::Node* equal) {
  for (std::size_t i = 0; i < equal->outputs().size(); ++i) {
    equal->output(i)->replaceAllUsesWith(first->output(i));
  }
}

/// Of the nodes of a block and of those around it, `outer`.
void share_results(jit::Block& block, const std::vector<const Nodes*>& outer) {
  Nodes known;
  std::vector<const Nodes*> all = outer;
  all.push_back(&known);
  for (auto it = block.nodes().begin(); it != block.nodes().end(); ++it) {
    jit::Node* node = *it;
    for (jit::Block* inner : node->blocks()) share_results(*inner, all);
    if (!may_be_shared(*node)) continue;
    const auto has_equal = [&](const Nodes* nodes) { return nodes->contains(node); };
    const auto found = std::find_if(all.begin(), all.end(), has_equal);
    if (found == all.end()) {
      known.insert(node);
    } else if (jit::Node* first = *(*found)->find(node); !may_escape(*first) || !may_escape(*node)) {
      take_over(first, node);
      it.destroyCurrent();
    }
  }
}

void share_constants(jit::Graph& graph) {
  std::vector<jit::Node*> constants;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind() == c10::prim::Constant) constants.push_back(node);
  });
  Nodes known;
  jit::Node* const start = *graph.block()->nodes().begin();
  for (jit::Node* constant : constants) {
    const auto [first, is_new] = known.insert(constant);
    if (is_new) {
      if (constant != start) constant->moveBefore(start);
    } else {
      take_over(*first, constant);
      constant->destroy();
    }
  }
}

}  // namespace

void share_equal_results(const std::shared_ptr<jit::Graph>& graph) {
  WeightsAside weights(*graph);
  if (may_write(*graph)) {
    jit::EliminateCommonSubexpression(graph);
  } else {
    share_results(*graph->block(), {});
  }
  weights.bring_back();
}

void share_equal_constants(const std::shared_ptr<jit::Graph>& graph) {
  WeightsAside weights(*graph);
  if (may_write(*graph)) {
    jit::ConstantPooling(graph);
  } else {
    share_constants(*graph);
  }
  weights.bring_back();
}

}  // namespace torchship
