#include "engines/program.h"

#include <torch/csrc/jit/api/function_impl.h>

#include "engines/graph_guard.h"
#include "engines/lstm_guard.h"
#include "engines/retarget.h"
#include "graphs/inline.h"

namespace torchship {

namespace jit = torch::jit;

Program::Program(c10::FunctionSchema function, std::shared_ptr<jit::Graph> inlined)
    : schema(std::move(function)),
      graph(std::move(inlined)),
      executed(with_lstm_checks(graph)),
      code(executed, schema.name()),
      uses_self(graph->inputs().empty() || graph->inputs()[0]->hasUses()) {}

void Program::run(std::vector<c10::IValue>& stack) const { jit::InterpreterState(code).run(stack); }

c10::IValue Program::call(std::vector<c10::IValue> arguments) const {
  run(arguments);
  return std::move(arguments.back());
}

Recorded record(jit::Function& function, const std::optional<at::Device>& device) {
  require_inlinable(function);
  std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(function).graph()->copy();
  inline_calls(*graph);
  require_known_constants(*graph);
  require_compilable(*graph);
  const std::size_t retargeted = device ? retarget(*graph, *device) : 0;
  return {.schema = function.getSchema(), .graph = std::move(graph), .retargeted = retargeted};
}

}  // namespace torchship
