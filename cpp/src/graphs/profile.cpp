#include "graphs/profile.h"

#include <chrono>
#include <functional>

#include <ATen/core/Tensor.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include "graphs/count.h"
#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(since).count();
}

/// Of all that a block did; a branch that was not taken has no times.
double time_of(const GraphBlock& block) {
  double total = 0;
  for (const GraphNode& node : block.nodes) total += node.microseconds.value_or(0);
  return total;
}

}  // namespace

Profile::Profile(jit::Graph& graph, const at::Device& device)
    : graph_(graph.copy()), device_(device) {
  add_probes();
}

void Profile::add_probes() {
  std::vector<jit::Node*> nodes;
  for_each_node(*graph_->block(), [&](jit::Node* node) { nodes.push_back(node); });
  observations_.resize(nodes.size() + 1);
  const auto probe = [&](std::size_t index, at::ArrayRef<jit::Value*> results) {
    observations_[index].results.resize(results.size());
    const std::size_t count = results.size();
    // The interpreter puts the number of its frame on top of what the probe is given.
    auto* node = new jit::ProfileIValueOp(graph_.get(), [this, index, count](jit::Stack& stack) {
      stack.pop_back();
      observe(index, stack.data() + (stack.size() - count));
      stack.resize(stack.size() - count);
    });
    for (jit::Value* result : results) node->addInput(result);
    return node;
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i]->kind() == c10::prim::Constant) continue;
    probe(i + 1, nodes[i]->outputs())->insertAfter(nodes[i]);
  }
  graph_->prependNode(probe(0, graph_->inputs()));
}

void Profile::observe(std::size_t index, const c10::IValue* results) {
  if (device_.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device_.index());
  Observation& observation = observations_[index];
  if (index > 0) observation.microseconds += now() - last_;
  ++observation.executions;
  for (std::size_t i = 0; i < observation.results.size(); ++i) {
    if (!results[i].isTensor() || !results[i].toTensor().defined()) continue;
    const at::Tensor& tensor = results[i].toTensor();
    Seen& seen = observation.results[i];
    std::vector<std::int64_t> shape = tensor.sizes().vec();
    seen.varies = seen.varies || (seen.dtype && seen.shape != shape);
    seen.dtype = tensor.scalar_type();
    seen.shape = std::move(shape);
  }
  last_ = now();
}

void Profile::annotate(Graph& described, bool with_times) const {
  const Observation& inputs = observations_.front();
  for (std::size_t i = 0; i < inputs.results.size() && i < described.body.inputs.size(); ++i) {
    write(inputs.results[i], described.values[described.body.inputs[i]]);
  }
  std::size_t next = 1;
  annotate_block(described.body, described.values, with_times, next);
}

/// Blocks that are graphs of their own, of calls and kernels, have no probes.
void Profile::annotate_block(GraphBlock& block, std::vector<GraphValue>& values, bool with_times,
                             std::size_t& next) const {
  for (GraphNode& node : block.nodes) {
    if (next >= observations_.size()) return;
    const Observation& observation = observations_[next++];
    for (std::size_t i = 0; i < observation.results.size() && i < node.outputs.size(); ++i) {
      write(observation.results[i], values[node.outputs[i]]);
    }
    if (with_times && observation.executions > 0) {
      node.microseconds = observation.microseconds;
      node.executions = observation.executions;
    }
    if (node.kind == NodeKind::call || node.kind == NodeKind::kernel) continue;
    for (GraphBlock& inner : node.blocks) {
      annotate_block(inner, values, with_times, next);
      if (node.microseconds) *node.microseconds += time_of(inner);
    }
  }
}

void Profile::write(const Seen& seen, GraphValue& value) {
  if (!seen.dtype) return;
  value.dtype = seen.dtype;
  value.shape = seen.varies ? std::nullopt : std::optional(seen.shape);
}

}  // namespace torchship
