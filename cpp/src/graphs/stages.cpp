#include "graphs/stages.h"

#include <torch/csrc/jit/api/function_impl.h>

#include "engines/graph_guard.h"
#include "graphs/describe.h"
#include "graphs/freeze.h"

namespace torchship {

namespace jit = torch::jit;

Graph initial_graph(jit::Function& method) {
  require_inlinable(method);
  Graph graph = describe_graph(*jit::toGraphFunction(method).graph());
  graph.stage = Stage::initial;
  return graph;
}

Graph frozen_graph(jit::Function& method, const c10::IValue& self,
                   const ConstantAttributes& attributes, const std::optional<at::Device>& device) {
  require_inlinable(method);
  Frozen frozen = freeze(*jit::toGraphFunction(method).graph(), self, attributes, device);
  Graph graph = describe_graph(*frozen.graph);
  graph.stage = Stage::frozen;
  graph.passes = std::move(frozen.passes);
  graph.notes = std::move(frozen.notes);
  return graph;
}

}  // namespace torchship
