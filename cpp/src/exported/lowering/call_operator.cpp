#include "exported/lowering/call_operator.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/TensorImpl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr const char* kCall = "torchship::call_operator";
constexpr const char* kWrap = "torchship::wrapped_number";

const c10::Symbol kName = c10::Symbol::attr("operator_name");
const c10::Symbol kOverload = c10::Symbol::attr("overload");

at::Tensor wrapped(const at::Scalar& number) {
  at::Tensor tensor = at::scalar_to_tensor(number);
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

jit::Operation operation_of(const jit::Node* node) {
  const c10::OperatorHandle handle = c10::Dispatcher::singleton().findSchemaOrThrow(
      node->s(kName).c_str(), node->s(kOverload).c_str());
  return [handle](jit::Stack& stack) { handle.callBoxed(stack); };
}

const jit::RegisterOperators kOperators({
    jit::Operator(std::string(kCall) + "(...) -> ...", operation_of,
                  c10::AliasAnalysisKind::CONSERVATIVE),
    jit::Operator(
        std::string(kWrap) + "(Scalar number) -> Tensor",
        [](jit::Stack& stack) { stack.back() = wrapped(stack.back().toScalar()); },
        c10::AliasAnalysisKind::FROM_SCHEMA),
});

}  // namespace

jit::Node* create_call(jit::Graph& graph, const OperatorTarget& target,
                       const std::vector<jit::Value*>& arguments, std::size_t outputs) {
  jit::Node* const node =
      graph.create(c10::Symbol::fromQualString(kCall), arguments, outputs);
  node->s_(kName, target.name);
  node->s_(kOverload, target.overload);
  return node;
}

jit::Value* insert_wrapped_number(jit::Graph& graph, jit::Value* number) {
  if (const auto known = jit::toIValue(number)) return graph.insertConstant(wrapped(known->toScalar()));
  return graph.insert(c10::Symbol::fromQualString(kWrap), {number});
}

}  // namespace torchship
