#include "graphs/describe.h"

#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>

#include <ATen/core/Tensor.h>
#include <ATen/core/function.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/constant_text.h"
#include "graphs/count.h"
#include "graphs/inline.h"
#include "graphs/stand_in.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

class Describer {
 public:
  Graph describe(jit::Graph& graph) {
    result_.body = block(*graph.block(), Scope{});
    return std::move(result_);
  }

 private:
  /// Whose code is being described.
  struct Scope {
    std::string module;  ///< What paths of its own begin with.
    std::string names;   ///< What names of its values begin with: each method has its own %x.
    int depth = 0;
  };

  GraphBlock block(jit::Block& block, const Scope& scope) {
    GraphBlock described;
    for (const jit::Value* input : block.inputs()) described.inputs.push_back(add(*input, scope));
    for (jit::Node* node : block.nodes()) {
      if (++nodes_ > kMostNodes) {
        cut();
        break;
      }
      described.nodes.push_back(this->node(*node, scope));
    }
    for (const jit::Value* output : block.outputs()) described.outputs.push_back(add(*output, scope));
    return described;
  }

  GraphNode node(jit::Node& node, const Scope& scope) {
    GraphNode described;
    const std::optional<Original> original = original_of(node);
    described.operator_name = original ? original->operator_name : node.kind().toQualString();
    described.kind = kind_of(node);
    const std::size_t inputs = original ? original->inputs : node.inputs().size();
    for (std::size_t i = 0; i < inputs; ++i) {
      described.inputs.push_back(add(*node.input(i), scope));
    }
    for (const jit::Value* output : node.outputs()) described.outputs.push_back(add(*output, scope));
    described.module = joined(scope.module, module_of(node));
    described.source = user_line(node);
    describe_attributes(node, described);
    for (jit::Block* inner : node.blocks()) described.blocks.push_back(block(*inner, scope));
    if (described.kind == NodeKind::kernel) describe_members(node, scope, described);
    if (described.kind == NodeKind::call) describe_callee(node, scope, described);
    return described;
  }

  void describe_attributes(const jit::Node& node, GraphNode& described) {
    if (described.kind == NodeKind::constant) {
      described.attributes["value"] = constant_text(node);
    } else if (node.hasAttribute(c10::attr::name)) {
      described.attributes["name"] = node.s(c10::attr::name);
    }
  }

  void describe_members(const jit::Node& node, const Scope& scope, GraphNode& described) {
    const std::string own = scope.names + node.kind().toUnqualString() + "." +
                            std::to_string(++subgraphs_) + "/";
    described.blocks.push_back(block(*node.g(c10::attr::Subgraph)->block(),
                                     {.module = scope.module, .names = own, .depth = scope.depth}));
  }

  void describe_callee(const jit::Node& node, const Scope& scope, GraphNode& described) {
    jit::Function* callee = callee_of(node);
    if (callee == nullptr || scope.depth >= kDeepest || nodes_ > kMostNodes) {
      return;
    }
    Scope inside = scope;
    ++inside.depth;
    if (node.kind() == c10::prim::CallMethod) {
      inside.module = joined(scope.module, path_of(*node.input(0)));
      described.module = inside.module;
    }
    inside.names = scope.names + callee->name() + "." + std::to_string(++subgraphs_) + "/";
    described.attributes["name"] = callee->name();
    described.blocks.push_back(block(*jit::toGraphFunction(*callee).graph()->block(), inside));
  }

  std::size_t add(const jit::Value& value, const Scope& scope) {
    const auto [known, is_new] = indices_.try_emplace({&value, scope.names}, result_.values.size());
    if (is_new) result_.values.push_back(described(value, scope));
    return known->second;
  }

  static GraphValue described(const jit::Value& value, const Scope& scope) {
    GraphValue text{.name = scope.names + value.debugName(),
                    .type = value.type()->annotation_str(),
                    .dtype = {},
                    .shape = {}};
    if (const auto tensor = value.type()->cast<c10::TensorType>()) {
      text.type = "Tensor";
      text.dtype = tensor->scalarType();
      text.shape = tensor->sizes().concrete_sizes();
    }
    const std::optional<c10::IValue> constant = jit::toIValue(&value);
    if (constant && constant->isTensor() && constant->toTensor().defined()) {
      text.dtype = constant->toTensor().scalar_type();
      text.shape = constant->toTensor().sizes().vec();
    }
    return text;
  }

  static std::string joined(const std::string& outer, const std::string& inner) {
    return outer.empty() || inner.empty() ? outer + inner : outer + "." + inner;
  }

  void cut() {
    if (!result_.notes.empty()) return;
    result_.notes.push_back("cut after " + std::to_string(kMostNodes) + " nodes");
  }

  struct KeyHash {
    std::size_t operator()(const std::pair<const jit::Value*, std::string>& key) const {
      return std::hash<const void*>()(key.first) ^ std::hash<std::string>()(key.second);
    }
  };

  static constexpr std::size_t kMostNodes = 250'000;
  static constexpr int kDeepest = 100;

  Graph result_;
  std::size_t nodes_ = 0;
  std::size_t subgraphs_ = 0;
  std::unordered_map<std::pair<const jit::Value*, std::string>, std::size_t, KeyHash> indices_;
};

}  // namespace

Graph describe_graph(jit::Graph& graph) { return Describer().describe(graph); }

}  // namespace torchship
