#include "engines/fusion.h"

#include <exception>
#include <stdexcept>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/passes/utils/subgraph_utils.h>
#include <torch/csrc/jit/runtime/profiling_record.h>

#include "graphs/visit.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMostPrograms = 8;

void add_signature(const c10::IValue& value, std::string& text) {
  if (value.isTensor() && value.toTensor().defined()) {
    const at::Tensor& tensor = value.toTensor();
    text += static_cast<char>('A' + static_cast<int>(tensor.scalar_type()));
    for (const std::int64_t size : tensor.sizes()) text += std::to_string(size) + ",";
  } else if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) add_signature(tensor, text);
  }
  text += ";";
}

std::vector<jit::Node*> nodes_of(jit::Graph& graph, c10::Symbol kind) {
  std::vector<jit::Node*> found;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind() == kind) found.push_back(node);
  });
  return found;
}

/// The graph with the types of its tensors in one run.
std::shared_ptr<jit::Graph> observe(const Program& plain, std::vector<c10::IValue> arguments) {
  const std::unique_ptr<jit::ProfilingRecord> record =
      jit::ProfilingRecord::instrumentGraph(plain.graph);
  const Program observed(plain.schema, record->graph());
  constexpr std::size_t kMostRuns = 4;  // A process may ask LibTorch to look at several runs.
  for (std::size_t run = 0; run < kMostRuns && record->profiling_count_ > 0; ++run) {
    std::vector<c10::IValue> stack = arguments;
    observed.run(stack);
  }
  if (record->profiling_count_ > 0) throw std::runtime_error("the run gave no types");
  std::shared_ptr<jit::Graph> graph = record->graph()->copy();
  jit::ProfilingRecord::removeProfileCounter(graph->block());
  return graph;
}

/// Takes the kernels as they are: for arguments of which it is known that every guard passes.
std::shared_ptr<jit::Graph> without_guards(jit::Graph& guarded) {
  std::shared_ptr<jit::Graph> graph = guarded.copy();
  for (jit::Node* node : nodes_of(*graph, c10::prim::If)) {
    jit::Node* guard = node->input()->node();
    if (guard->kind() != c10::prim::TypeCheck) continue;
    jit::Block* fast = node->blocks().at(0);
    for (std::size_t i = 0; i < guard->inputs().size(); ++i) {
      guard->output(i)->replaceAllUsesWith(guard->input(i));
    }
    for (auto it = fast->nodes().begin(); it != fast->nodes().end();) {
      jit::Node* inner = *it;
      ++it;
      inner->moveBefore(node);
    }
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      node->output(i)->replaceAllUsesWith(fast->outputs().at(i));
    }
    node->destroy();
    guard->destroy();
  }
  jit::EliminateDeadCode(graph);
  return graph;
}

Fusion fuse(const Program& plain, const std::vector<c10::IValue>& arguments) {
  std::shared_ptr<jit::Graph> graph = observe(plain, arguments);
  jit::RemoveProfileNodesAndSpecializeTypes(graph);
  jit::FuseTensorExprs(graph);
  jit::RemoveTensorTypeSpecializations(graph);
  // LibTorch's executor compiles the way around a kernel as a function of its own; here it is code.
  for (jit::Node* way : nodes_of(*graph, c10::prim::FallbackGraph)) {
    jit::SubgraphUtils::unmergeSubgraph(way);
  }
  if (nodes_of(*graph, c10::prim::TensorExprGroup).empty()) {
    return {.program = nullptr,
            .graph = nullptr,
            .reason = "there are no two neighbours that LibTorch's fuser takes"};
  }
  return {.program = std::make_shared<const Program>(plain.schema, graph),
          .graph = without_guards(*graph),
          .reason = {}};
}

}  // namespace

bool can_fuse(const at::Device& device) {
  if (!jit::tensorExprFuserEnabled()) return false;
  return device.is_cuda() ? jit::canFuseOnGPU() : device.is_cpu() && jit::canFuseOnCPU();
}

FusedPrograms::Found FusedPrograms::find(const std::vector<c10::IValue>& arguments) {
  std::string signature;
  for (std::size_t i = 1; i < arguments.size(); ++i) add_signature(arguments[i], signature);
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(signature);
  if (known != entries_.end()) return {.entry = known->second, .is_new = false};
  auto entry = std::make_shared<Entry>();
  if (entries_.size() < kMostPrograms) entries_.emplace(signature, entry);
  return {.entry = std::move(entry), .is_new = true};
}

void FusedPrograms::fill(Entry& entry, const std::vector<c10::IValue>& arguments) {
  std::call_once(entry.once, [&] {
    try {
      entry.fusion = fuse(plain_, arguments);
    } catch (const std::exception& error) {
      entry.fusion = {.program = nullptr, .graph = nullptr, .reason = explain(error).text};
    }
  });
}

void FusedPrograms::run(std::vector<c10::IValue>& stack) {
  const auto [entry, is_new] = find(stack);
  if (!is_new) fill(*entry, stack);  // One call is not worth a kernel.
  if (is_new || entry->fusion.program == nullptr) {
    plain_.run(stack);
    return;
  }
  std::unique_lock<std::mutex> lock;
  // The evaluator that LibTorch has in the place of a compiler keeps its buffers from call to call.
  if (device_.is_cpu()) lock = std::unique_lock(entry->running);
  entry->fusion.program->run(stack);
}

Fusion FusedPrograms::fusion_for(const std::vector<c10::IValue>& arguments) {
  const std::shared_ptr<Entry> entry = find(arguments).entry;
  fill(*entry, arguments);
  return entry->fusion;
}

}  // namespace torchship
