#include "graphs/freeze.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_conv_folding.h>
#include <torch/csrc/jit/passes/frozen_linear_folding.h>

#include "engines/graph_guard.h"
#include "engines/retarget.h"
#include "graphs/count.h"
#include "graphs/inline.h"
#include "graphs/propagate.h"
#include "graphs/share.h"
#include "graphs/visit.h"
#include "graphs/writes.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using GraphPtr = std::shared_ptr<jit::Graph>;
/// Changes a graph; returns how many results it computed beforehand.
using Pass = std::function<std::int64_t(GraphPtr&)>;

bool is_dropout(const jit::Node& node) {
  switch (node.kind()) {
    case c10::aten::dropout:
    case c10::aten::dropout_:
    case c10::aten::feature_dropout:
    case c10::aten::feature_dropout_:
    case c10::aten::alpha_dropout:
    case c10::aten::alpha_dropout_:
    case c10::aten::feature_alpha_dropout:
    case c10::aten::feature_alpha_dropout_: return node.inputs().size() == 3;
    default: return false;
  }
}

bool is_constant_bool(const jit::Value* value, bool wanted) {
  const auto constant = jit::toIValue(value);
  return constant && constant->isBool() && constant->toBool() == wanted;
}

/// Dropout outside of training gives its input.
std::int64_t remove_dropout(GraphPtr& graph) {
  for_each_node(*graph->block(), [](jit::Node* node) {
    if (is_dropout(*node) && is_constant_bool(node->input(2), false)) {
      node->output()->replaceAllUsesWith(node->input(0));
    }
  });
  return 0;
}

/// LibTorch folds batch norms without a look at their mode and at the size of the weights.
void require_foldable(jit::Graph& graph) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  constexpr std::int64_t kLargestSparse = std::int64_t{1} << 24;
  for_each_node(*graph.block(), [](jit::Node* node) {
    if (node->kind() == c10::aten::batch_norm && !is_constant_bool(node->input(5), false)) {
      throw std::runtime_error("a batch norm is in training mode");
    }
    const auto value = node->kind() == c10::prim::Constant ? jit::toIValue(node->output())
                                                           : std::nullopt;
    if (!value || !value->isTensor() || !value->toTensor().defined()) return;
    const at::Tensor& tensor = value->toTensor();
    // What is expanded has more elements than the file has bytes; folding would make them all.
    const bool dense = tensor.layout() == at::kStrided && tensor.is_non_overlapping_and_dense();
    if (tensor.numel() > (dense ? kLargest : kLargestSparse)) {
      throw std::runtime_error("a constant is too large");
    }
  });
}

bool is_convolution(const jit::Node& node) {
  return node.kind() == c10::aten::conv1d || node.kind() == c10::aten::conv2d ||
         node.kind() == c10::aten::conv3d || node.kind() == c10::aten::_convolution;
}

/// Scripted batch norms ask how many dimensions the convolution's result has: as many as its input.
/// With that other use out of the way LibTorch can fold the two. It knows a bias that is not there
/// by its type.
void prepare_folding(jit::Graph& graph) {
  for_each_node(*graph.block(), [](jit::Node* node) {
    if (node->mustBeNone()) node->output()->setType(c10::NoneType::get());
    if (node->kind() == c10::aten::dim && is_convolution(*node->input()->node())) {
      node->replaceInput(0, node->input()->node()->input(0));
    }
  });
}

/// LibTorch folds into linear layers whose results others use as well, who then get what is not
/// theirs: behind another node it does not see the layer.
void fold_into_linear(GraphPtr& graph) {
  std::vector<jit::Node*> shared;
  for_each_node(*graph->block(), [&](jit::Node* node) {
    if (node->kind() == c10::aten::batch_norm && node->input(0)->uses().size() > 1 &&
        node->input(0)->node()->kind() == c10::aten::linear) {
      shared.push_back(node);
    }
  });
  std::vector<jit::Node*> screens;
  for (jit::Node* norm : shared) {
    screens.push_back(graph->create(c10::aten::detach, {norm->input(0)}));
    screens.back()->insertBefore(norm);
    norm->replaceInput(0, screens.back()->output());
  }
  jit::FoldFrozenLinearBatchnorm(graph);
  for (jit::Node* screen : screens) {
    screen->output()->replaceAllUsesWith(screen->input(0));
    screen->destroy();
  }
}

bool has_any(jit::Graph& graph, std::initializer_list<c10::Symbol> kinds) {
  bool found = false;
  for_each_node(*graph.block(), [&](const jit::Node* node) {
    found = found || std::find(kinds.begin(), kinds.end(), node->kind()) != kinds.end();
  });
  return found;
}

template <typename Fold>
Pass folding(const Fold& fold) {
  return [fold](GraphPtr& graph) -> std::int64_t {
    require_foldable(*graph);
    prepare_folding(*graph);
    fold(graph);
    return 0;
  };
}

class Freezing {
 public:
  explicit Freezing(GraphPtr graph)
      : frozen_{.graph = std::move(graph), .passes = {}, .notes = {}},
        count_(count_nodes(*frozen_.graph)) {}

  /// Applies a pass, then removes what nothing uses any more; leaves the graph as it was if it fails.
  void apply(const std::string& name, const Pass& pass) {
    GraphPtr graph = frozen_.graph->copy();
    try {
      const std::int64_t folded = pass(graph);
      remove_dead_code(graph);
      NodeCount now = count_nodes(*graph);
      GraphPass done = make_pass(name, count_, now);
      done.constants_folded = folded;
      if (name.starts_with("fold ")) done.bytes_folded = count_.foldable_bytes - now.foldable_bytes;
      frozen_.passes.push_back(std::move(done));
      frozen_.graph = std::move(graph);
      count_ = std::move(now);
    } catch (const std::exception& error) {
      frozen_.notes.push_back("\"" + name + "\" was left out: " + explain(error).text);
    }
  }

  /// The same for a pass that is about nodes of these kinds: without them there is nothing to do.
  void apply(const std::string& name, std::initializer_list<c10::Symbol> kinds, const Pass& pass) {
    if (has_any(*frozen_.graph, kinds)) {
      apply(name, pass);
    } else {
      frozen_.passes.push_back(make_pass(name, count_, count_));
    }
  }

  Frozen finish() { return std::move(frozen_); }

 private:
  /// Where nothing is written to, LibTorch need not find out what aliases what.
  static void remove_dead_code(const GraphPtr& graph) {
    if (may_write(*graph)) {
      jit::EliminateDeadCode(graph);
    } else {
      jit::EliminateDeadCode(graph->block());
    }
  }

  Frozen frozen_;
  NodeCount count_;
};

template <typename Change>
Pass computing_nothing(const Change& change) {
  return [change](GraphPtr& graph) -> std::int64_t {
    change(graph);
    return 0;
  };
}

}  // namespace

Frozen freeze(jit::Graph& recorded, const c10::IValue& self, const ConstantAttributes& attributes,
              const std::optional<at::Device>& device) {
  const at::NoGradGuard no_grad;
  Freezing freezing(recorded.copy());
  freezing.apply("inline calls", computing_nothing([&](GraphPtr& graph) {
                   inline_calls(*graph, self);
                   require_known_constants(*graph);
                   require_compilable(*graph);
                   if (device) retarget(*graph, *device);
                 }));
  freezing.apply("make attributes constant",
                 [&](GraphPtr& graph) { return fold_attributes(*graph, attributes); });
  freezing.apply("propagate constants", [](GraphPtr& graph) { return propagate_constants(graph); });
  namespace aten = c10::aten;
  const auto convolutions = {aten::conv1d, aten::conv2d, aten::conv3d, aten::_convolution};
  freezing.apply("remove dropout", remove_dropout);
  freezing.apply("fold batch norm into convolutions", {aten::batch_norm},
                 folding(jit::FoldFrozenConvBatchnorm));
  freezing.apply("fold additions into convolutions", convolutions,
                 folding(jit::FoldFrozenConvAddOrSub));
  freezing.apply("fold multiplications into convolutions", convolutions,
                 folding(jit::FoldFrozenConvMulOrDiv));
  freezing.apply("fold batch norm into linear layers", {aten::batch_norm},
                 folding(fold_into_linear));
  freezing.apply("share equal results", computing_nothing(share_equal_results));
  freezing.apply("share equal constants", computing_nothing(share_equal_constants));
  return freezing.finish();
}

}  // namespace torchship
