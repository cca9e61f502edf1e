#include <limits>

#include <torch/csrc/jit/ir/constants.h>

#include "archive/text.h"
#include "exported/lowering/lowering.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

using Values = std::vector<jit::Value*>;

/// The positional arguments of a node with graphs among them.
class Operands {
 public:
  Operands(Lowering& lowering, const ExportedNode& node, const LoweredNames& names)
      : lowering_(lowering), names_(names) {
    for (const ExportedInput& input : node.inputs) arguments_.push_back(&input.argument);
  }

  std::size_t size() const { return arguments_.size(); }

  const ExportedArgument& at(std::size_t index) const {
    if (index >= arguments_.size()) lowering_.refuse("it has too few arguments");
    return *arguments_[index];
  }

  const ExportedGraph& graph(std::size_t index) const {
    const auto* graph = at(index).get<ExportedSubgraph>();
    if (graph == nullptr) {
      lowering_.refuse("argument " + std::to_string(index) + " must be a graph");
    }
    return *graph->graph;
  }

  jit::Value* value(std::size_t index) const { return lowering_.value_of(at(index), names_); }

  /// The values of a list, or one by itself; none where the argument is not there.
  Values values(std::size_t index) const {
    if (index >= arguments_.size()) return {};
    const auto* list = arguments_[index]->get<ExportedArgument::List>();
    if (list == nullptr) return {value(index)};
    Values values;
    for (const ExportedArgument& each : *list) values.push_back(lowering_.value_of(each, names_));
    return values;
  }

  Values values_from(std::size_t index) const {
    Values all;
    for (std::size_t i = index; i < size(); ++i) {
      const Values some = values(i);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  Lowering& lowering_;
  const LoweredNames& names_;
  std::vector<const ExportedArgument*> arguments_;
};

Values joined(const Values& first, const Values& second, const Values& third = {}) {
  Values all = first;
  all.insert(all.end(), second.begin(), second.end());
  all.insert(all.end(), third.begin(), third.end());
  return all;
}

/// Nodes that hold graphs, made of LibTorch's `if` and `loop`.
class Control {
 public:
  Control(Lowering& lowering, const Operands& operands)
      : lowering_(lowering), graph_(lowering.graph()), operands_(operands) {}

  /// cond(predicate, true graph, false graph, operands)
  Values cond() {
    jit::Value* const predicate = lowering_.condition(operands_.value(0));
    jit::Node* const node = graph_.insertNode(graph_.create(c10::prim::If, {predicate}, 0));
    const Values operands = operands_.values(3);
    const Values yes = branch(*node, operands_.graph(1), operands);
    const Values no = branch(*node, operands_.graph(2), operands);
    if (yes.size() != no.size()) lowering_.refuse("its branches give different numbers of results");
    Values results;
    for (std::size_t i = 0; i < yes.size(); ++i) {
      const auto type = c10::unifyTypes(yes[i]->type(), no[i]->type(), /*default_to_union=*/false);
      if (!type) lowering_.refuse("its branches give results of different types");
      results.push_back(node->addOutput()->setType(*type));
    }
    return results;
  }

  /// while_loop(condition graph, body graph, carried, others)
  Values while_loop() {
    const Values others = operands_.values(3);
    const auto holds = [&](const Values& carried) {
      const Values result = lowering_.lower_subgraph(operands_.graph(0), joined(carried, others));
      if (result.size() != 1) lowering_.refuse("its condition must give one result");
      return lowering_.condition(result.front());
    };
    const Values start = operands_.values(2);
    return loop(
        lowering_.constant(std::numeric_limits<std::int64_t>::max()), holds(start), start,
        [&](jit::Value*, const Values& carried) {
          return lowering_.lower_subgraph(operands_.graph(1), joined(carried, others));
        },
        holds);
  }

  /// map(graph, inputs to go through, others)
  Values map() {
    const Values inputs = operands_.values(1), others = operands_.values(2);
    return collect({}, inputs, operands_.graph(0).outputs.size(),
                   [&](const Values&, const Values& items) {
                     return lowering_.lower_subgraph(operands_.graph(0), joined(items, others));
                   });
  }

  /// scan(graph, carried, inputs to go through, others)
  Values scan() {
    const Values carried = operands_.values(1), inputs = operands_.values(2);
    const Values others = operands_.values(3);
    const std::size_t results = operands_.graph(0).outputs.size();
    if (results < carried.size()) lowering_.refuse("it gives too few results");
    return collect(carried, inputs, results - carried.size(),
                   [&](const Values& now, const Values& items) {
                     return lowering_.lower_subgraph(operands_.graph(0),
                                                     joined(now, items, others));
                   });
  }

 private:
  Values branch(jit::Node& node, const ExportedGraph& graph, const Values& operands) {
    jit::Block* const block = node.addBlock();
    const jit::WithInsertPoint inside(block);
    const Values results = lowering_.lower_subgraph(graph, operands);
    for (jit::Value* result : results) block->registerOutput(result);
    return results;
  }

  /// `body` makes the next values out of the number of the turn and the values before; `holds` says
  /// whether there is another turn.
  template <typename Body, typename Holds>
  Values loop(jit::Value* turns, jit::Value* condition, const Values& start, const Body& body,
              const Holds& holds) {
    jit::Node* const node = graph_.insertNode(
        graph_.create(c10::prim::Loop, joined({turns, condition}, start), 0));
    jit::Block* const block = node->addBlock();
    jit::Value* const turn = block->addInput()->setType(c10::IntType::get());
    Values carried;
    for (const jit::Value* each : start) {
      carried.push_back(block->addInput()->setType(each->type()));
    }
    const jit::WithInsertPoint inside(block);
    const Values next = body(turn, carried);
    if (next.size() != start.size()) lowering_.refuse("a turn gives another number of values than it takes");
    block->registerOutput(holds(next));
    Values results;
    for (std::size_t i = 0; i < start.size(); ++i) {
      if (!next[i]->type()->isSubtypeOf(*start[i]->type())) {
        lowering_.refuse("a turn gives values of other types than it takes");
      }
      block->registerOutput(next[i]);
      results.push_back(node->addOutput()->setType(start[i]->type()));
    }
    return results;
  }

  /// Goes through the first dimension of `inputs`; results beyond the carried ones are stacked.
  template <typename Body>
  Values collect(const Values& carried, const Values& inputs, std::size_t results, const Body& body) {
    if (inputs.empty()) lowering_.refuse("it has nothing to go through");
    Values lists;
    for (std::size_t i = 0; i < results; ++i) {
      lists.push_back(graph_.insertNode(graph_.createList(c10::TensorType::get(), {}))->output());
    }
    jit::Value* const zero = lowering_.constant(std::int64_t{0});
    jit::Value* const turns = graph_.insert(c10::aten::size, {inputs.front(), zero});
    jit::Value* const always = lowering_.constant(true);
    const Values last = loop(
        turns, always, carried,
        [&](jit::Value* turn, const Values& now) {
          Values items;
          jit::Value* const first = lowering_.constant(std::int64_t{0});
          for (jit::Value* each : inputs) {
            items.push_back(graph_.insert(c10::aten::select, {each, first, turn}));
          }
          const Values made = body(now, items);
          if (made.size() != carried.size() + results) {
            lowering_.refuse("a turn gives another number of values than expected");
          }
          for (std::size_t i = 0; i < results; ++i) {
            graph_.insert(c10::aten::append, {lists[i], made[carried.size() + i]});
          }
          return Values(made.begin(), made.begin() + static_cast<std::ptrdiff_t>(carried.size()));
        },
        [&](const Values&) { return lowering_.constant(true); });
    Values all = last;
    for (jit::Value* list : lists) {
      all.push_back(graph_.insert(c10::aten::stack, {list, zero}));
    }
    return all;
  }

  Lowering& lowering_;
  jit::Graph& graph_;
  const Operands& operands_;
};

constexpr std::string_view kPrefix = "torch.ops.higher_order.";

}  // namespace

/// with_effects(token, operator, arguments): tokens keep such operators in order, as nodes are here.
void Lowering::lower_effect(const ExportedNode& node, LoweredNames& names) {
  const std::string* target =
      node.inputs.size() < 2 ? nullptr : node.inputs[1].argument.get<std::string>();
  if (target == nullptr || node.outputs.empty()) refuse("it names no operator");
  ExportedNode inner = node;
  inner.target = *target;
  inner.inputs.erase(inner.inputs.begin(), inner.inputs.begin() + 2);
  inner.outputs.erase(inner.outputs.begin());
  std::erase_if(inner.outputs, [](const ExportedArgument& each) { return each.is_none(); });
  if (!lower_operator(inner, names)) refuse("it calls " + quote(inner.target));
}

bool Lowering::lower_control(const ExportedNode& node, LoweredNames& names) {
  if (!node.target.starts_with(kPrefix)) return false;
  const std::string name = node.target.substr(kPrefix.size());
  if (name == "with_effects") {
    lower_effect(node, names);
    return true;
  }
  const Operands operands(*this, node, names);
  Control control(*this, operands);
  Values results;
  if (name == "cond") {
    results = control.cond();
  } else if (name == "while_loop") {
    results = control.while_loop();
  } else if (name == "map_impl" || name == "map") {
    results = control.map();
  } else if (name == "scan") {
    results = control.scan();
  } else if (name == "wrap_with_set_grad_enabled") {
    // Nothing here records gradients.
    results = lower_subgraph(operands.graph(1), operands.values_from(2));
  } else if (name == "invoke_subgraph") {
    results = lower_subgraph(operands.graph(0), operands.values_from(2));
  } else if (name == "strict_mode") {
    results = lower_subgraph(operands.graph(0), operands.values_from(1));
  } else if (name == "hints_wrapper") {
    results = lower_subgraph(operands.graph(0), operands.values(1));
  } else if (name == "wrap_with_autocast") {
    const bool* enabled = operands.at(2).get<bool>();
    if (enabled == nullptr || *enabled) {
      refuse("the model computes under autocast, which the program keeps as a region",
             "write the casts out before it is saved: program = program.run_decompositions()");
    }
    results = lower_subgraph(operands.graph(4), operands.values_from(5));
  } else if (name == "call_torchbind") {
    refuse("the model calls an object of a class of its own, which a program without Python does "
           "not have",
           "take the object out of the model, or make what it does an operator");
  } else {
    return false;
  }
  name_outputs(node, results, names);
  return true;
}

}  // namespace torchship
