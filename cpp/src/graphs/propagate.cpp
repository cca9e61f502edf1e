#include "graphs/propagate.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>

#include "graphs/count.h"
#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::int64_t kLargestTensor = std::int64_t{1} << 24;  ///< Elements, in or out.
constexpr double kMostWork = 1e9;                               ///< Multiplications.

/// What is not computed beforehand: it reads files or memory, or counts as far as a number says.
bool is_refused(std::string_view name) {
  constexpr std::string_view kRefused[] = {"aten::factorial", "aten::from_file", "aten::as_strided",
                                           "aten::dequantize"};
  return std::find(std::begin(kRefused), std::end(kRefused), name) != std::end(kRefused) ||
         name.starts_with("aten::empty") || name.starts_with("aten::new_empty");
}

bool is_number(const c10::IValue& value) {
  return value.isScalar() || value.isBool() || value.isNone() || value.isDevice();
}

/// Numbers, and lists and tuples of numbers of a reasonable length.
bool is_plain(const c10::IValue& value) {
  constexpr std::size_t kLongest = 4096;
  if (is_number(value)) return true;
  const auto all_numbers = [](const auto& items) {
    return items.size() <= kLongest && std::all_of(items.begin(), items.end(), is_number);
  };
  if (value.isTuple()) return all_numbers(value.toTupleRef().elements());
  return value.isList() && !value.isTensorList() && all_numbers(value.toListRef());
}

bool is_small(const at::Tensor& tensor) {
  return !tensor.defined() || (tensor.layout() == at::kStrided && !tensor.is_quantized() &&
                               tensor.numel() <= kLargestTensor);
}

/// The value with tensors that have sizes and no data, on the device "meta"; nothing where the value
/// is not one that is folded.
std::optional<c10::IValue> without_data(const c10::IValue& value) {
  const auto bare = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.detach().to(at::kMeta) : tensor;
  };
  if (value.isTensor()) {
    return is_small(value.toTensor()) ? std::optional(c10::IValue(bare(value.toTensor())))
                                      : std::nullopt;
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> tensors;
    for (const at::Tensor& tensor : value.toTensorVector()) {
      if (!is_small(tensor)) return std::nullopt;
      tensors.push_back(bare(tensor));
    }
    return c10::IValue(tensors);
  }
  return is_plain(value) ? std::optional(value) : std::nullopt;
}

/// Whether the node multiplies matrices or convolves: its work is more than its results tell.
bool contracts(std::string_view name) {
  constexpr std::string_view kSigns[] = {"mm",  "matmul", "conv",  "linear", "lstm",  "gru", "rnn",
                                         "dot", "einsum", "cdist", "svd",    "solve", "eig", "kron",
                                         "mv",  "inv",    "addbm", "baddb",  "linalg", "attention"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](std::string_view sign) {
    return name.find(sign) != std::string_view::npos;
  });
}

double elements_of(const std::vector<c10::IValue>& values) {
  double largest = 1;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) largest = std::max(largest, static_cast<double>(tensor.numel()));
  };
  for (const c10::IValue& value : values) {
    if (value.isTensor()) add(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) add(tensor);
    }
  }
  return largest;
}

class Propagator {
 public:
  explicit Propagator(const std::shared_ptr<jit::Graph>& graph) : graph_(graph) {
    if (may_write(*graph)) aliases_.emplace(graph);
  }

  std::int64_t run() {
    propagate(graph_->block());
    return folded_;
  }

 private:
  void propagate(jit::Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      jit::Node* node = *it;
      ++it;  // The node may go.
      for (jit::Block* inner : node->blocks()) propagate(inner);
      if (node->kind() == c10::prim::If) {
        take_branch(node);
      } else if (may_fold(*node)) {
        fold(node);
      }
    }
  }

  bool may_fold(const jit::Node& node) const {
    const NodeKind kind = kind_of(node);
    const bool computes = kind == NodeKind::operator_ || kind == NodeKind::container;
    return computes && !node.outputs().empty() && node.blocks().empty() &&
           (node.kind().is_aten() || node.kind().is_prim()) && !node.isNondeterministic() &&
           !node.hasSideEffects() && !(aliases_ && aliases_->hasWriters(&node)) &&
           std::all_of(node.inputs().begin(), node.inputs().end(), [](const jit::Value* input) {
             return input->node()->kind() == c10::prim::Constant;
           });
  }

  /// Whether the operator's result and work are small, as it says itself without data.
  static bool is_affordable(const jit::Node& node) {
    std::vector<c10::IValue> stack;
    std::vector<c10::IValue> given;
    bool has_tensor = false;
    for (const jit::Value* input : node.inputs()) {
      const auto value = jit::toIValue(input);
      const auto bare = value ? without_data(*value) : std::nullopt;
      if (!bare) return false;
      has_tensor = has_tensor || value->isTensor() || value->isTensorList();
      stack.push_back(bare->isDevice() ? c10::IValue(at::Device(at::kMeta)) : *bare);
    }
    const bool gives_tensor = std::any_of(
        node.outputs().begin(), node.outputs().end(), [](const jit::Value* output) {
          return output->type()->isSubtypeOf(*c10::TensorType::get()) ||
                 output->type()->isSubtypeOf(*c10::ListType::ofTensors());
        });
    const std::string name = node.kind().toQualString();
    if (is_refused(name)) return false;
    if (kind_of(node) == NodeKind::container) return true;
    if (!gives_tensor) return name != "aten::mul" || !has_list(stack);
    if (!has_tensor) set_device(node, stack);
    const double before = elements_of(stack);
    node.getOperation()(stack);
    const double after = elements_of(stack);
    return after <= kLargestTensor && (!contracts(name) || before * after <= kMostWork);
  }

  /// A list times a number is as long as one likes.
  static bool has_list(const std::vector<c10::IValue>& stack) {
    return std::any_of(stack.begin(), stack.end(),
                       [](const c10::IValue& value) { return value.isList(); });
  }

  /// Operators that make tensors take the device as an argument.
  static void set_device(const jit::Node& node, std::vector<c10::IValue>& stack) {
    const c10::FunctionSchema& schema = node.schema();
    const auto position = schema.argumentIndexWithName("device");
    TORCH_CHECK(position && static_cast<std::size_t>(*position) < stack.size(), "no device");
    stack[static_cast<std::size_t>(*position)] = at::Device(at::kMeta);
  }

  void fold(jit::Node* node) {
    std::optional<std::vector<c10::IValue>> results;
    try {
      if (!is_affordable(*node)) return;
      results = jit::runNodeIfInputsAreConstant(node);
    } catch (const std::exception&) {
      return;  // It will fail when it runs, and say so then.
    }
    if (!results || results->size() != node->outputs().size()) return;
    const jit::WithInsertPoint before(node);
    for (std::size_t i = 0; i < results->size(); ++i) {
      const auto constant = jit::tryInsertConstant(*graph_, (*results)[i]);
      if (!constant) return;
      if ((*results)[i].isNone()) (*constant)->setType(node->output(i)->type());
      (*constant)->node()->setSourceRange(node->sourceRange());
      node->output(i)->replaceAllUsesWith(*constant);
      ++folded_;
    }
  }

  static void take_branch(jit::Node* node) {
    const auto condition = jit::toIValue(node->input());
    if (!condition || !condition->isBool()) return;
    jit::Block* taken = node->blocks().at(condition->toBool() ? 0 : 1);
    for (auto it = taken->nodes().begin(); it != taken->nodes().end();) {
      jit::Node* inner = *it;
      ++it;
      inner->moveBefore(node);
    }
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      node->output(i)->replaceAllUsesWith(taken->outputs().at(i));
    }
    node->destroy();
  }

  std::shared_ptr<jit::Graph> graph_;
  std::optional<jit::AliasDb> aliases_;  ///< Nothing where nothing is written.
  std::int64_t folded_ = 0;
};

}  // namespace

std::int64_t propagate_constants(const std::shared_ptr<jit::Graph>& graph) {
  return Propagator(graph).run();
}

}  // namespace torchship
