#include "planned/describe_plan.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "compute/kernels.h"
#include "graphs/count.h"
#include "graphs/inline.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

std::string short_text(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", number);
  return text;
}

std::string size_text(std::size_t bytes) {
  return bytes < 100'000 ? std::to_string(bytes) + " bytes"
                         : short_text(static_cast<double>(bytes) / 1e6) + " MB";
}

const char* name_of(Buffer::Home home) {
  switch (home) {
    case Buffer::Home::arena: return "arena";
    case Buffer::Home::constant: return "weight";
    case Buffer::Home::argument: return "argument";
    case Buffer::Home::result: return "result";
    case Buffer::Home::slot: return "tensor";
  }
  return "";
}

class Describer {
 public:
  Describer(const Plan& plan, const torch::jit::Graph& graph) : plan_(plan) {
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) add_buffer(plan.buffers[i], i, graph);
    add_results(plan.result);
    std::sort(made_.body.outputs.begin(), made_.body.outputs.end());
  }

  Graph run(const PlanMeasures& measures) {
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      GraphNode node = describe(plan_.steps[i]);
      if (i < measures.microseconds.size()) {
        add_time(plan_.steps[i], measures.microseconds[i], node);
      }
      if (i < measures.errors.size()) node.error = measures.errors[i];
      made_.body.nodes.push_back(std::move(node));
    }
    return std::move(made_);
  }

 private:
  void add_buffer(const Buffer& buffer, std::size_t index, const torch::jit::Graph& graph) {
    GraphValue value{.name = std::string(name_of(buffer.home)) + "." + std::to_string(index),
                     .type = "Tensor",
                     .dtype = at::kFloat,
                     .shape = {}};
    const bool has_sizes =
        buffer.home == Buffer::Home::result || buffer.home == Buffer::Home::argument;
    if (has_sizes) value.shape = buffer.sizes;
    if (buffer.home == Buffer::Home::constant) value.shape = buffer.tensor.sizes().vec();
    if (buffer.home == Buffer::Home::argument) {
      value.name = graph.inputs().at(buffer.index)->debugName();
      made_.body.inputs.push_back(made_.values.size());
    }
    made_.values.push_back(std::move(value));
  }

  void add_results(const ValueTree& tree) {
    if (tree.kind == ValueTree::Kind::array) made_.body.outputs.push_back(tree.array.buffer);
    for (const ValueTree& item : tree.items) add_results(item);
  }

  GraphNode describe(const PlannedOperator& each) {
    GraphNode described;
    described.operator_name = each.node->kind().toQualString();
    described.kind = kind_of(*each.node);
    described.module = module_of(*each.node);
    described.source = user_line(*each.node);
    return described;
  }

  GraphNode member(const PlannedOperator& each) {
    GraphNode described = describe(each);
    if (!each.result || each.node->outputs().empty()) return described;
    described.outputs.push_back(made_.values.size());
    made_.values.push_back({.name = each.node->outputs()[0]->debugName(),
                            .type = "Tensor",
                            .dtype = each.result->dtype,
                            .shape = each.result->sizes});
    return described;
  }

  GraphNode describe(const Step& step) {
    GraphNode node;
    if (step.kernel == "LibTorch") {
      node = describe(step.operators.at(0));
    } else {
      node.operator_name = "torchship::" + step.kernel;
      std::replace(node.operator_name.begin(), node.operator_name.end(), ' ', '_');
      node.kind = NodeKind::kernel;
      GraphBlock& members = node.blocks.emplace_back();
      for (const PlannedOperator& each : step.operators) members.nodes.push_back(member(each));
      if (!members.nodes.empty()) {
        node.module = members.nodes.front().module;
        node.source = members.nodes.front().source;
      }
    }
    node.inputs = {step.reads.begin(), step.reads.end()};
    node.outputs = {step.writes.begin(), step.writes.end()};
    add_attributes(step, node);
    return node;
  }

  void add_attributes(const Step& step, GraphNode& node) {
    if (!step.detail.empty()) node.attributes["sizes"] = step.detail;
    if (step.operations > 0) node.attributes["GFLOP"] = short_text(step.operations / 1e9);
    for (const BufferId id : step.writes) {
      const Buffer& buffer = plan_.buffers[id];
      GraphValue& value = made_.values[id];
      const bool is_known = !step.operators.empty() && step.operators.back().result;
      if (!value.shape && is_known) value.shape = step.operators.back().result->sizes;
      if (buffer.home != Buffer::Home::arena) continue;
      node.attributes["arena"] =
          std::to_string(buffer.offset) + "-" + std::to_string(buffer.offset + buffer.bytes);
    }
  }

  static void add_time(const Step& step, double microseconds, GraphNode& node) {
    node.microseconds = microseconds;
    node.executions = 1;
    const double rate = step.operations / microseconds / 1e3;
    if (rate >= 0.01) node.attributes["GFLOP/s"] = short_text(rate);
  }

  const Plan& plan_;
  Graph made_;
};

/// What the results on the way would take without sharing memory.
std::size_t bytes_of_all(const Plan& plan) {
  std::size_t bytes = 0;
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.home == Buffer::Home::arena) bytes += buffer.bytes;
  }
  return bytes;
}

}  // namespace

Graph describe_plan(const Plan& plan, const torch::jit::Graph& graph,
                    const PlanMeasures& measures) {
  Graph made = Describer(plan, graph).run(measures);
  made.stage = Stage::optimized;
  made.engine = "planned";
  made.notes.push_back(std::to_string(plan.planned) + " operators run in " +
                       std::to_string(plan.steps.size() - plan.left) + " kernels of torchship (" +
                       std::string(compute::kernels().name) + "), " + std::to_string(plan.left) +
                       " in LibTorch, for tensors of these sizes");
  made.notes.push_back("results on the way share " + size_text(plan.arena_bytes) +
                       " of memory; alone they would take " + size_text(bytes_of_all(plan)));
  return made;
}

}  // namespace torchship
