#include <ATen/ops/empty_strided.h>

#include <exception>
#include <optional>
#include <vector>

#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// Whether the operator asks for strides, which here are others than LibTorch's.
bool asks_for_strides(const torch::jit::Node& node) {
  return node.kind() == c10::aten::as_strided ||
         node.kind() == c10::Symbol::fromQualString("aten::_reshape_alias");
}

/// A tensor without elements, for operators that look at another one's sizes: expand_as.
at::Tensor bare_like(const TensorMeta& meta) {
  return at::empty_strided(meta.sizes, meta.strides,
                           at::TensorOptions().dtype(meta.dtype).device(at::kMeta));
}

/// Sizes, strides and offset that the operator gives to memory that is not there.
struct Views {
  std::vector<Array> arrays;
  bool is_list = false;
};

std::optional<Views> view(Planner& planner, const ObservedOperation& operation, const Array& from) {
  const at::Tensor bare = at::empty_strided(
      from.sizes, from.strides, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  torch::jit::Stack stack{bare};
  for (std::size_t i = 1; i < operation.inputs.size(); ++i) {
    const ValueId id = operation.inputs[i];
    stack.push_back(planner.is_fixed(id) ? *planner.value(id).fixed
                                         : bare_like(*planner.tensor(id)));
  }
  try {
    operation.call->run(stack);
  } catch (const std::exception&) {
    return std::nullopt;  // Not for these strides.
  }
  Views views{.arrays = {}, .is_list = stack.at(0).isTensorList()};
  if (!views.is_list && !stack[0].isTensor()) return std::nullopt;
  const std::vector<at::Tensor> results =
      views.is_list ? stack[0].toTensorVector() : std::vector<at::Tensor>{stack[0].toTensor()};
  for (const at::Tensor& result : results) {
    if (!result.is_alias_of(bare)) return std::nullopt;
    views.arrays.push_back({.buffer = from.buffer,
                            .offset = from.offset + result.storage_offset(),
                            .sizes = result.sizes().vec(),
                            .strides = result.strides().vec()});
  }
  return views;
}

}  // namespace

bool gives_view(const torch::jit::Node& node) {
  const c10::FunctionSchema* const schema = node.maybeSchema();
  if (schema == nullptr || schema->returns().size() != 1 || schema->arguments().empty())
    return false;
  const auto* from = schema->arguments()[0].alias_info();
  const auto* to = schema->returns()[0].alias_info();
  return from != nullptr && to != nullptr && !from->isWrite() && !to->isWrite();
}

bool lower_view(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  if (!gives_view(*operation.node) || !planner.is_array(operation.inputs[0])) return false;
  const ValueId output = operation.outputs[0];
  const bool is_list = !planner.tensor(output);
  if (!is_list && !planner.is_array(output)) return false;
  if (asks_for_strides(*operation.node)) return false;
  for (std::size_t i = 1; i < operation.inputs.size(); ++i) {
    const ValueId id = operation.inputs[i];
    const bool is_plain = planner.tensor(id) != nullptr && planner.tensor(id)->is_plain;
    if (!planner.is_fixed(id) && !is_plain) return false;
  }
  const Array from = planner.array(operation.inputs[0]);
  std::optional<Views> views = view(planner, operation, from);
  if (!views && !from.is_contiguous()) {
    // As LibTorch does: what cannot be seen in another shape is copied first.
    views = view(planner, operation, planner.contiguous(from));
  }
  if (!views) return false;
  if (!views->is_list) {
    planner.bind(output, views->arrays.at(0));
    return true;
  }
  std::vector<ValueId> items;
  for (Array& array : views->arrays) {
    items.push_back(planner.new_value());
    planner.bind(items.back(), std::move(array));
  }
  planner.bind_items(output, std::move(items), operation.node->output()->type());
  return true;
}

}  // namespace torchship
