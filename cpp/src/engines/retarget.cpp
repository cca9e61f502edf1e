#include "engines/retarget.h"

#include <optional>
#include <unordered_set>
#include <vector>

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

const c10::Symbol kCpu = c10::Symbol::fromQualString("aten::cpu");
const c10::Symbol kCuda = c10::Symbol::fromQualString("aten::cuda");
const c10::Symbol kPack = c10::Symbol::fromQualString("aten::_pack_padded_sequence");

/// "cuda" is whatever CUDA device is current: the one that the model is on will do.
bool is_elsewhere(const at::Device& named, const at::Device& device) {
  if (named.type() == at::kMeta) return false;
  return named.type() != device.type() ||
         (named.has_index() && device.has_index() && named.index() != device.index());
}

std::optional<at::Device> constant_device(const jit::Value& value) {
  if (value.node()->kind() != c10::prim::Constant) return std::nullopt;
  const std::optional<c10::IValue> constant = jit::toIValue(&value);
  return constant && constant->isDevice() ? std::optional(constant->toDevice()) : std::nullopt;
}

bool gives_tensor(const jit::Node& node) {
  return node.maybeSchema() != nullptr && node.outputs().size() == 1 &&
         node.output()->type()->isSubtypeOf(*c10::TensorType::get());
}

bool moves_to_cpu(const jit::Node& node) {
  if (node.kind() == kCpu) return true;
  if (node.kind() != c10::aten::to || node.inputs().size() < 2) return false;
  const std::optional<at::Device> named = constant_device(*node.input(1));
  return named && named->is_cpu();
}

/// The nodes that the lengths of packed sequences are made by, back to where they come to the CPU.
std::unordered_set<const jit::Node*> makers_of_lengths(jit::Graph& graph) {
  std::vector<jit::Node*> todo;
  for_each_node(*graph.block(), [&](jit::Node* node) {
    if (node->kind() == kPack && node->inputs().size() > 1) {
      todo.push_back(node->input(1)->node());
    }
  });
  std::unordered_set<const jit::Node*> makers;
  while (!todo.empty()) {
    jit::Node* node = todo.back();
    todo.pop_back();
    if (!makers.insert(node).second || moves_to_cpu(*node)) continue;
    for (jit::Value* input : node->inputs()) todo.push_back(input->node());
  }
  return makers;
}

class Retargeter {
 public:
  Retargeter(jit::Graph& graph, const at::Device& device)
      : graph_(graph), device_(device), staying_(makers_of_lengths(graph)) {}

  std::size_t run() {
    visit(*graph_.block());
    return replaced_;
  }

 private:
  void visit(jit::Block& block) {
    // Moves are replaced, which takes nodes out of the block.
    const std::vector<jit::Node*> nodes(block.nodes().begin(), block.nodes().end());
    for (jit::Node* node : nodes) {
      for (jit::Block* inner : node->blocks()) visit(*inner);
      if (gives_tensor(*node) && !staying_.contains(node)) visit(node);
    }
  }

  void visit(jit::Node* node) {
    const bool is_move = node->kind() == kCpu || node->kind() == kCuda;
    if (is_move && is_elsewhere(node->kind() == kCpu ? at::kCPU : at::kCUDA, device_)) {
      replace_move(node);
      return;
    }
    for (std::size_t i = 0; i < node->inputs().size(); ++i) {
      const std::optional<at::Device> named = constant_device(*node->input(i));
      if (named && is_elsewhere(*named, device_)) {
        node->replaceInput(i, here(node));
        ++replaced_;
      }
    }
  }

  jit::Value* here(jit::Node* before) {
    const jit::WithInsertPoint at(before);
    return graph_.insertConstant(device_);
  }

  void replace_move(jit::Node* node) {
    const jit::WithInsertPoint at(node);
    jit::Value* moved = graph_.insert(c10::aten::to, {node->input(0), graph_.insertConstant(device_)});
    moved->node()->setSourceRange(node->sourceRange());
    moved->setType(node->output()->type());
    node->output()->replaceAllUsesWith(moved);
    node->destroy();
    ++replaced_;
  }

  jit::Graph& graph_;
  at::Device device_;
  std::unordered_set<const jit::Node*> staying_;
  std::size_t replaced_ = 0;
};

}  // namespace

std::size_t retarget(jit::Graph& graph, const at::Device& device) {
  return Retargeter(graph, device).run();
}

}  // namespace torchship
