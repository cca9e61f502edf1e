#include "planned/describe_plan.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "compute/kernels.h"
#include "graphs/inline.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g MB", static_cast<double>(bytes) / 1e6);
  return text;
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

GraphValue describe(const Buffer& buffer, std::size_t index) {
  GraphValue value{.name = std::string(name_of(buffer.home)) + "." + std::to_string(index),
                   .type = "Tensor",
                   .dtype = at::kFloat,
                   .shape = {}};
  if (buffer.home == Buffer::Home::result) value.shape = buffer.sizes;
  if (buffer.home == Buffer::Home::constant) value.shape = buffer.tensor.sizes().vec();
  return value;
}

GraphNode describe(const torch::jit::Node& node) {
  GraphNode described;
  described.operator_name = node.kind().toQualString();
  described.module = module_of(node);
  described.source = user_line(node);
  return described;
}

std::vector<std::size_t> indices(const std::vector<BufferId>& buffers) {
  return {buffers.begin(), buffers.end()};
}

GraphNode describe(const Plan& plan, const Step& step) {
  GraphNode node;
  if (step.kernel == "LibTorch") {
    node = describe(*step.operators.at(0));
  } else {
    node.operator_name = "torchship::" + step.kernel;
    std::replace(node.operator_name.begin(), node.operator_name.end(), ' ', '_');
    node.kind = NodeKind::kernel;
    GraphBlock& members = node.blocks.emplace_back();
    for (const auto* each : step.operators) members.nodes.push_back(describe(*each));
    if (!members.nodes.empty()) {
      node.module = members.nodes.front().module;
      node.source = members.nodes.front().source;
    }
  }
  node.inputs = indices(step.reads);
  node.outputs = indices(step.writes);
  if (!step.detail.empty()) node.attributes["sizes"] = step.detail;
  for (const BufferId id : step.writes) {
    const Buffer& buffer = plan.buffers[id];
    if (buffer.home != Buffer::Home::arena) continue;
    node.attributes["arena"] = std::to_string(buffer.offset) + "-" + std::to_string(buffer.offset + buffer.bytes);
  }
  return node;
}

/// What the results on the way would take without sharing memory.
std::size_t bytes_of_all(const Plan& plan) {
  std::size_t bytes = 0;
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.home == Buffer::Home::arena) bytes += buffer.bytes;
  }
  return bytes;
}

}  // namespace

Graph describe_plan(const Plan& plan, const std::vector<double>& microseconds) {
  Graph graph;
  graph.stage = Stage::optimized;
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    graph.values.push_back(describe(plan.buffers[i], i));
  }
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    GraphNode node = describe(plan, plan.steps[i]);
    if (i < microseconds.size()) {
      node.microseconds = microseconds[i];
      node.executions = 1;
      const double rate = plan.steps[i].operations / microseconds[i] / 1e3;
      char text[32];
      std::snprintf(text, sizeof(text), "%.3g", rate);
      if (rate >= 0.01) node.attributes["GFLOP/s"] = text;
    }
    graph.body.nodes.push_back(std::move(node));
  }
  graph.notes.push_back(std::to_string(plan.planned) + " operators run in " +
                        std::to_string(plan.steps.size() - plan.left) + " kernels of torchship (" +
                        std::string(compute::kernels().name) + "), " + std::to_string(plan.left) +
                        " in LibTorch, for tensors of these sizes");
  graph.notes.push_back("results on the way share " + megabytes(plan.arena_bytes) + " of memory; alone they would take " +
                        megabytes(bytes_of_all(plan)));
  return graph;
}

}  // namespace torchship
