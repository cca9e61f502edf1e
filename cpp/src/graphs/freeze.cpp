#include "graphs/freeze.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_conv_folding.h>
#include <torch/csrc/jit/passes/frozen_linear_folding.h>
#include <torch/csrc/jit/passes/peephole.h>

#include "engines/graph_guard.h"
#include "engines/retarget.h"
#include "graphs/attributes.h"
#include "graphs/count.h"
#include "graphs/dropout.h"
#include "graphs/inline.h"
#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using GraphPtr = std::shared_ptr<jit::Graph>;

/// Bytes of the tensors among a node's constant inputs.
std::int64_t constant_bytes(const jit::Node& node) {
  std::int64_t bytes = 0;
  for (const jit::Value* input : node.inputs()) {
    const std::optional<c10::IValue> value = jit::toIValue(input);
    if (value && value->isTensor() && value->toTensor().defined()) {
      bytes += static_cast<std::int64_t>(value->toTensor().nbytes());
    }
  }
  return bytes;
}

/// Of each operator that has constant tensors among its inputs, their bytes, by its result's name:
/// names outlive a pass, and nodes do not.
std::unordered_map<std::string, std::int64_t> weights_by_result(jit::Graph& graph) {
  std::unordered_map<std::string, std::int64_t> weights;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (kind_of(*node) == NodeKind::operator_ && !node->outputs().empty()) {
      weights.emplace(node->outputs()[0]->debugName(), constant_bytes(*node));
    }
  });
  return weights;
}

std::int64_t sum(const std::map<std::string, std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

/// Runs passes and notes what each of them changes.
class Recorder {
 public:
  explicit Recorder(GraphPtr& graph) : graph_(graph), counts_(operators_of(*graph)) {}

  GraphPass& run(const std::string& name, const std::function<void()>& pass) {
    pass();
    std::map<std::string, std::int64_t> now = operators_of(*graph_);
    GraphPass& done = passes_.emplace_back();
    done.name = name;
    done.operators_before = static_cast<std::size_t>(sum(counts_));
    done.operators_after = static_cast<std::size_t>(sum(now));
    for (const auto& [operator_name, count] : counts_) {
      const auto found = now.find(operator_name);
      const std::int64_t left = found == now.end() ? 0 : found->second;
      if (left < count) done.removed[operator_name] = count - left;
    }
    for (const auto& [operator_name, count] : now) {
      const auto found = counts_.find(operator_name);
      const std::int64_t before = found == counts_.end() ? 0 : found->second;
      if (before < count) done.added[operator_name] = count - before;
    }
    counts_ = std::move(now);
    return done;
  }

  /// A pass that computes results beforehand.
  void run_folding(const std::string& name, const std::function<void()>& pass) {
    GraphPass& done = run(name, pass);
    done.constants_folded = sum(done.removed);
  }

  /// A pass that works operators' weights into those of others.
  void run_merging(const std::string& name, const std::function<void()>& pass) {
    const auto before = weights_by_result(*graph_);
    GraphPass& done = run(name, pass);
    const auto after = weights_by_result(*graph_);
    for (const auto& [result, bytes] : before) {
      if (!after.contains(result)) done.bytes_folded += bytes;
    }
  }

  std::vector<GraphPass> finish() { return std::move(passes_); }

 private:
  GraphPtr& graph_;
  std::map<std::string, std::int64_t> counts_;
  std::vector<GraphPass> passes_;
};

void fold_into_layers(GraphPtr& graph) {
  bool changed = true;
  while (changed) {
    changed = jit::FoldFrozenConvBatchnorm(graph);
    changed |= jit::FoldFrozenConvAddOrSub(graph);
    changed |= jit::FoldFrozenConvMulOrDiv(graph);
    changed |= jit::FoldFrozenLinearBatchnorm(graph);
    jit::EliminateDeadCode(graph);
  }
}

}  // namespace

std::vector<GraphPass> freeze(GraphPtr& graph, const c10::IValue& self,
                              const std::optional<at::Device>& device) {
  Recorder recorder(graph);
  recorder.run("inline calls", [&] { inline_calls(*graph, self); });
  require_known_constants(*graph);
  require_compilable(*graph);
  if (device) retarget(*graph, *device);
  recorder.run("attributes to constants", [&] { make_attributes_constant(*graph, self); });
  recorder.run_folding("fold constants", [&] { jit::ConstantPropagation(graph); });
  recorder.run("remove dead code", [&] { jit::EliminateDeadCode(graph); });
  recorder.run("remove idle dropout", [&] { remove_idle_dropout(*graph); });
  recorder.run("merge repeated code", [&] { jit::EliminateCommonSubexpression(graph); });
  recorder.run("simplify", [&] {
    jit::PeepholeOptimize(graph, /*disable_shape_peepholes=*/true);
    jit::EliminateDeadCode(graph);
  });
  recorder.run_merging("fold into weights", [&] { fold_into_layers(graph); });
  recorder.run("pool constants", [&] { jit::ConstantPooling(graph); });
  return recorder.finish();
}

}  // namespace torchship
