#include "planned/observation.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "plain_tensor.h"
#include "planned/static_value.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::int64_t kLongestLoop = 4096;  ///< Passes of a loop that are laid out one by one.
constexpr std::size_t kMostOperations = 200'000;

TensorMeta meta_of(const at::Tensor& tensor) {
  TensorMeta meta;
  meta.dtype = tensor.scalar_type();
  meta.is_plain = is_plain(tensor) && tensor.is_cpu() && !tensor.is_conj() && !tensor.is_neg();
  if (meta.is_plain) {
    meta.sizes = tensor.sizes().vec();
    meta.strides = tensor.strides().vec();
  }
  return meta;
}

class Observer {
 public:
  Observer(const std::vector<c10::IValue>& arguments, const VaryingNodes& varying,
           bool keeps_tensors)
      : arguments_(arguments), varying_(varying), keeps_tensors_(keeps_tensors) {}

  Observation run(jit::Graph& graph) {
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const ValueId id = add(arguments_.at(i), false, *graph.inputs()[i]);
      seen_.arguments.push_back(id);
    }
    run_block(*graph.block(), false);
    if (graph.outputs().size() != 1) throw std::runtime_error("the method has several results");
    seen_.result = id_of(*graph.outputs()[0]);
    seen_.values[seen_.result].is_result = true;
    seen_.output = live_[seen_.result].value;
    return std::move(seen_);
  }

 private:
  struct Live {
    c10::IValue value;
    std::size_t uses_left = 0;  ///< In the graph; of what a loop uses, never fewer.
  };

  ValueId add(c10::IValue value, bool fixed, const jit::Value& of) {
    const auto id = static_cast<ValueId>(seen_.values.size());
    ObservedValue& seen = seen_.values.emplace_back();
    if (value.isTensor() && value.toTensor().defined()) seen.tensor = meta_of(value.toTensor());
    if (keeps_tensors_) {
      seen_.tensors.push_back(seen.tensor && seen.tensor->is_plain ? value.toTensor()
                                                                   : at::Tensor());
    }
    if (fixed) seen.fixed = value;
    live_.push_back({.value = std::move(value), .uses_left = of.uses().size()});
    ids_[&of] = id;
    return id;
  }

  ValueId id_of(const jit::Value& value) const { return ids_.at(&value); }
  bool is_fixed(ValueId id) const { return seen_.values[id].fixed.has_value(); }

  void run_block(jit::Block& block, bool repeats) {
    for (jit::Node* node : block.nodes()) {
      if (seen_.operations.size() > kMostOperations) throw std::runtime_error("it is too long");
      run_node(*node, repeats);
    }
  }

  void run_node(jit::Node& node, bool repeats) {
    if (node.kind() == c10::prim::Constant) {
      const auto value = jit::toIValue(node.output());
      add(value.value_or(c10::IValue()), true, *node.output());
    } else if (node.kind() == c10::prim::If && is_fixed(id_of(*node.input(0)))) {
      run_branch(node, repeats);
    } else if (node.kind() == c10::prim::Loop && has_fixed_length(node)) {
      run_loop(node);
    } else {
      run_operation(node, repeats);
    }
  }

  void run_branch(jit::Node& node, bool repeats) {
    jit::Block& taken = *node.blocks().at(live_[id_of(*node.input(0))].value.toBool() ? 0 : 1);
    run_block(taken, repeats);
    for (std::size_t i = 0; i < node.outputs().size(); ++i) {
      rename(*taken.outputs()[i], *node.outputs()[i]);
    }
  }

  /// The value is known by another name from now on.
  void rename(const jit::Value& from, const jit::Value& to) {
    const ValueId id = id_of(from);
    ids_[&to] = id;
    live_[id].uses_left += to.uses().size();
  }

  bool has_fixed_length(const jit::Node& node) const {
    const ValueId count = id_of(*node.input(0)), condition = id_of(*node.input(1));
    const auto next = jit::toIValue(node.blocks()[0]->outputs()[0]);
    return is_fixed(count) && is_fixed(condition) && live_[condition].value.toBool() && next &&
           next->toBool() && live_[count].value.toInt() <= kLongestLoop;
  }

  void run_loop(jit::Node& node) {
    jit::Block& body = *node.blocks()[0];
    std::vector<ValueId> carried;
    for (std::size_t i = 2; i < node.inputs().size(); ++i) carried.push_back(id_of(*node.input(i)));
    const std::int64_t count = live_[id_of(*node.input(0))].value.toInt();
    for (std::int64_t pass = 0; pass < count; ++pass) {
      add(pass, true, *body.inputs()[0]);
      for (std::size_t i = 0; i < carried.size(); ++i) ids_[body.inputs()[i + 1]] = carried[i];
      run_block(body, true);
      for (std::size_t i = 0; i < carried.size(); ++i) carried[i] = id_of(*body.outputs()[i + 1]);
    }
    for (std::size_t i = 0; i < carried.size(); ++i) ids_[node.outputs()[i]] = carried[i];
  }

  void run_operation(jit::Node& node, bool repeats) {
    std::shared_ptr<const LibraryCall>& call = calls_[&node];
    if (!call) call = std::make_shared<const LibraryCall>(node);
    std::vector<ValueId> inputs;
    jit::Stack stack;
    for (const jit::Value* input : call->inputs()) {
      inputs.push_back(id_of(*input));
      stack.push_back(live_[inputs.back()].value);
    }
    const auto known = [&](std::size_t from) {
      return std::all_of(inputs.begin() + static_cast<std::ptrdiff_t>(from), inputs.end(),
                         [&](ValueId id) { return is_fixed(id); });
    };
    const bool varies = varying_.contains(&node) ||
                        std::any_of(inputs.begin(), inputs.end(),
                                    [&](ValueId id) { return seen_.values[id].varies; });
    const bool fixed = !varies && is_repeatable(node) && known(reads_sizes_alone(node) ? 1 : 0);
    if (!repeats) let_go(node);
    call->run(stack);
    const bool is_kept = fixed && std::all_of(stack.begin(), stack.end(), is_small);
    std::vector<ValueId> outputs;
    for (std::size_t i = 0; i < node.outputs().size(); ++i) {
      outputs.push_back(add(std::move(stack.at(i)), is_kept, *node.outputs()[i]));
      if (varies) forget(outputs.back());
    }
    if (is_kept) return;
    for (const ValueId input : inputs) seen_.values[input].uses.push_back(seen_.operations.size());
    seen_.operations.push_back({&node, std::move(inputs), std::move(outputs), call});
  }

  void forget(ValueId id) {
    seen_.values[id].varies = true;
    seen_.values[id].tensor.reset();
  }

  /// Lets go of what the node is the last to use.
  void let_go(const jit::Node& node) {
    for (const jit::Value* input : node.inputs()) {
      Live& live = live_[id_of(*input)];
      if (live.uses_left > 0 && --live.uses_left == 0) live.value = c10::IValue();
    }
  }

  const std::vector<c10::IValue>& arguments_;
  const VaryingNodes& varying_;
  bool keeps_tensors_;
  Observation seen_;
  std::vector<Live> live_;  ///< Beside seen_.values.
  std::unordered_map<const jit::Value*, ValueId> ids_;
  std::unordered_map<const jit::Node*, std::shared_ptr<const LibraryCall>> calls_;
};

}  // namespace

std::int64_t TensorMeta::numel() const {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

Observation observe(jit::Graph& graph, const std::vector<c10::IValue>& arguments,
                    const VaryingNodes& varying, bool keeps_tensors) {
  return Observer(arguments, varying, keeps_tensors).run(graph);
}

}  // namespace torchship
