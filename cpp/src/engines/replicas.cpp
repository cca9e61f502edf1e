#include "engines/replicas.h"

#include <cstddef>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/visit.h"
#include "thread_number.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Operators above which a call takes so long that counting references does not matter.
constexpr std::ptrdiff_t kMostNodes = 256;

bool is_small(jit::Graph& graph) {
  std::ptrdiff_t nodes = 0;
  for_each_node(*graph.block(), [&](const jit::Node* node) {
    nodes += node->kind() == c10::prim::Constant ? 0 : 1;
  });
  return nodes <= kMostNodes;
}

/// The same graph with constants that have counts of their own.
std::shared_ptr<jit::Graph> replicate(jit::Graph& graph) {
  const c10::InferenceMode ordinary(false);
  const at::NoGradGuard no_grad;
  std::shared_ptr<jit::Graph> copy = graph.copy();
  for_each_node(*copy->block(), [](jit::Node* node) {
    if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) return;
    // Strings are copied with the graph; tensors are handles.
    if (node->kindOf(c10::attr::value) == jit::AttributeKind::t &&
        node->t(c10::attr::value).layout() == at::kStrided) {
      node->t_(c10::attr::value, node->t(c10::attr::value).detach());
    }
  });
  return copy;
}

}  // namespace

ReplicatedProgram::ReplicatedProgram(Program program)
    : first_(std::move(program)), is_small_(is_small(*first_.graph)) {}

const Program& ReplicatedProgram::here() const {
  if (!is_small_) return first_;
  const std::size_t place = number_of_this_thread() % kMost;
  if (const Program* made = made_[place].load(std::memory_order_acquire)) return *made;
  return make(place);
}

const Program& ReplicatedProgram::make(std::size_t place) const {
  const std::lock_guard lock(mutex_);
  if (const Program* made = made_[place].load(std::memory_order_relaxed)) return *made;
  const Program* program = &first_;
  if (first_is_taken_) {
    auto replica = std::make_unique<Program>(first_.schema, replicate(*first_.graph));
    replica->channels_last = first_.channels_last;
    program = owned_.emplace_back(std::move(replica)).get();
  }
  first_is_taken_ = true;
  made_[place].store(program, std::memory_order_release);
  return *program;
}

}  // namespace torchship
