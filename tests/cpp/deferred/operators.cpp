// Operators of the device: each runs the CPU's, late.
#include <limits>
#include <optional>
#include <vector>

#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include "deferred/guard.h"
#include "deferred/queue.h"

namespace torchship::test::deferred {
namespace {

using torch::jit::Stack;

at::Tensor empty_memory_format(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype,
                               std::optional<at::Layout>, std::optional<at::Device>,
                               std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), at::GetAllocator(at::kPrivateUse1),
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   dtype.value_or(at::kFloat), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(
      C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
      at::GetAllocator(at::kPrivateUse1), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      dtype.value_or(at::kFloat));
}

/// The same memory as a tensor of the host's.
at::Tensor on_host(const at::Tensor& tensor) {
  if (!tensor.is_privateuseone()) return tensor;
  return at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(),
                       [held = tensor](void*) {}, tensor.options().device(at::kCPU));
}

void spoil(const at::Tensor& tensor) {
  if (at::isFloatingType(tensor.scalar_type())) {
    on_host(tensor).fill_(std::numeric_limits<double>::quiet_NaN());
  }
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const std::int64_t stream = current_stream();
  const at::Tensor& on_cpu = from.is_cpu() ? from : to;
  const bool waits = on_cpu.is_cpu() && !(non_blocking && on_cpu.is_pinned());
  {
    const auto lock = Queues::instance().lock();
    Queues::instance().push(stream, [from, to] { on_host(to).copy_(on_host(from)); });
    if (waits) ++mutable_counts().blocking_copies;
  }
  if (waits) host_wait(stream);
  return to;
}

at::Scalar local_scalar_dense(const at::Tensor& tensor) {
  host_wait(current_stream());
  return on_host(tensor).item();
}

/// All tensors of a stack, in lists too, through `change`.
template <typename Change>
c10::IValue changed(const c10::IValue& value, const Change& change) {
  if (value.isTensor() && value.toTensor().defined()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional(change(*tensor)) : std::nullopt);
    }
    return list;
  }
  if (value.isDevice()) return c10::Device(at::kCPU);
  return value;
}

template <typename Change>
Stack changed(const Stack& stack, const Change& change) {
  Stack result;
  for (const c10::IValue& value : stack) result.push_back(changed(value, change));
  return result;
}

std::vector<at::Tensor> tensors_of(const Stack& stack) {
  std::vector<at::Tensor> found;
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) found.push_back(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) found.push_back(tensor);
    }
  }
  return found;
}

/// The argument that a result is, for operators that write to one: add_(), mm.out().
std::optional<std::size_t> written_argument(const c10::FunctionSchema& schema, std::size_t result) {
  const c10::AliasInfo* const alias = schema.returns()[result].alias_info();
  if (alias == nullptr || !alias->isWrite()) return std::nullopt;
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* const argument = schema.arguments()[i].alias_info();
    if (argument != nullptr && argument->beforeSets() == alias->beforeSets()) return i;
  }
  return std::nullopt;
}

at::Tensor like(const at::Tensor& computed) {
  if (!computed.defined()) return computed;
  at::Tensor made = at::empty_strided(computed.sizes(), computed.strides(),
                                      computed.options().device(kDevice));
  spoil(made);
  return made;
}

/// Runs the operator now for the sizes of its results, on copies, and later for their numbers.
void run_late(const c10::OperatorHandle& op, Stack* stack) {
  const std::size_t count = op.schema().arguments().size();
  const Stack arguments(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  torch::jit::drop(*stack, count);
  Stack sketch = changed(arguments, [](const at::Tensor& tensor) { return on_host(tensor).clone(); });
  op.callBoxed(&sketch);
  Stack results;
  for (std::size_t i = 0; i < sketch.size(); ++i) {
    const auto written = written_argument(op.schema(), i);
    results.push_back(written ? arguments[*written] : changed(sketch[i], like));
  }
  const auto lock = Queues::instance().lock();
  Queues::instance().push(current_stream(), [op, arguments, outputs = tensors_of(results)] {
    const c10::impl::ExcludeDispatchKeyGuard no_autograd(c10::autograd_dispatch_keyset);
    Stack real = changed(arguments, on_host);
    op.callBoxed(&real);
    const std::vector<at::Tensor> computed = tensors_of(real);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const at::Tensor output = on_host(outputs[i]);
      if (output.data_ptr() != computed[i].data_ptr()) output.copy_(computed[i]);
    }
  });
  stack->insert(stack->end(), results.begin(), results.end());
}

at::Tensor view(const at::Tensor& tensor, c10::SymIntArrayRef size) {
  return at::native::view(tensor, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor as_strided(const at::Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                      std::optional<c10::SymInt> offset) {
  return at::native::as_strided_tensorimpl(
      tensor, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
      offset ? std::optional(offset->expect_int()) : std::nullopt);
}

at::Tensor reshape_alias(const at::Tensor& tensor, c10::SymIntArrayRef size,
                         c10::SymIntArrayRef stride) {
  return as_strided(tensor, size, stride, tensor.storage_offset());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty_memory_format);
  library.impl("empty_strided", &empty_strided);
  library.impl("as_strided", &as_strided);
  library.impl("_reshape_alias", &reshape_alias);
  library.impl("view", &view);
  library.impl("_copy_from", &copy_from);
  library.impl("_local_scalar_dense", &local_scalar_dense);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_late>());
}

}  // namespace
}  // namespace torchship::test::deferred
