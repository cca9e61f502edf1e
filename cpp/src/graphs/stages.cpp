#include "graphs/stages.h"

#include <memory>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/function_impl.h>

#include "engines/graph_guard.h"
#include "engines/retarget.h"
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
                   const std::optional<at::Device>& device) {
  require_inlinable(method);
  const at::NoGradGuard no_grad;
  std::shared_ptr<jit::Graph> frozen = jit::toGraphFunction(method).graph()->copy();
  std::vector<GraphPass> passes = freeze(frozen, self, device);
  Graph graph = describe_graph(*frozen);
  graph.stage = Stage::frozen;
  graph.passes = std::move(passes);
  return graph;
}

}  // namespace torchship
