#include <ATen/ops/clone.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <optional>

#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// What LibTorch gave may lie in the arena, where an argument of it lies: others write there soon.
c10::IValue own(c10::IValue value, const Frame& frame) {
  const auto is_borrowed = [&](const at::Tensor& tensor) {
    return tensor.defined() && tensor.has_storage() && frame.is_in_arena(tensor.const_data_ptr());
  };
  if (value.isTensor()) {
    return is_borrowed(value.toTensor()) ? c10::IValue(value.toTensor().clone()) : value;
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> tensors;
    for (const at::Tensor& each : value.toTensorVector()) {
      tensors.push_back(is_borrowed(each) ? each.clone() : each);
    }
    return tensors;
  }
  if (value.isTuple()) {
    std::vector<c10::IValue> items;
    for (const c10::IValue& item : value.toTupleRef().elements()) items.push_back(own(item, frame));
    const auto type = value.toTupleRef().type<c10::TupleType>();
    return type->schema() ? c10::ivalue::Tuple::createNamed(std::move(items), type)
                          : c10::ivalue::Tuple::create(std::move(items));
  }
  if (value.isList() && !value.toListRef().empty()) {
    c10::impl::GenericList list = value.toList();
    const bool has_plain_items = list.get(0).isScalar() || list.get(0).isString();
    for (std::size_t i = 0; i < list.size() && !has_plain_items; ++i)
      list.set(i, own(list.get(i), frame));
  }
  if (value.isGenericDict()) {
    c10::impl::GenericDict dict = value.toGenericDict();
    for (auto& entry : dict) dict.insert_or_assign(entry.key(), own(entry.value(), frame));
  }
  return value;
}

/// A result of LibTorch's, and what it must be for the plan to hold.
struct Given {
  std::size_t slot = 0;
  std::optional<TensorMeta> tensor;
  std::optional<BufferId> buffer;  ///< Where steps look for its elements.
};

bool is_expected(const c10::IValue& value, const TensorMeta& meta) {
  if (!value.isTensor() || !value.toTensor().defined()) return false;
  const at::Tensor& tensor = value.toTensor();
  return !meta.is_plain || (tensor.scalar_type() == meta.dtype && tensor.sizes() == meta.sizes);
}

/// Of those strides; a copy where it has others, and nothing where elements would share their
/// place.
std::optional<at::Tensor> with_strides(const at::Tensor& tensor,
                                       const std::vector<std::int64_t>& strides) {
  if (tensor.strides() == strides) return tensor;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    if (strides[i] == 0 && tensor.size(static_cast<std::int64_t>(i)) > 1) return std::nullopt;
  }
  return at::empty_strided(tensor.sizes(), strides, tensor.options()).copy_(tensor);
}

void receive(Frame& frame, const Given& given, c10::IValue value, const torch::jit::Node* node) {
  value = own(std::move(value), frame);
  if (given.tensor && !is_expected(value, *given.tensor)) throw Deviation{node};
  if (given.buffer) {
    const auto tensor = with_strides(value.toTensor(), given.tensor->strides);
    if (!tensor) throw Deviation{node};
    value = *tensor;
    frame.tensor(*given.buffer) = value.toTensor();
    frame.set_base(*given.buffer, const_cast<void*>(value.toTensor().const_data_ptr()));
  }
  frame.slot(given.slot) = std::move(value);
}

void add_reads(const ValueTree& tree, std::vector<BufferId>& reads) {
  if (tree.kind == ValueTree::Kind::array) reads.push_back(tree.array.buffer);
  for (const ValueTree& item : tree.items) add_reads(item, reads);
}

Given expect(Planner& planner, ValueId id) {
  Given given;
  if (const TensorMeta* tensor = planner.tensor(id)) given.tensor = *tensor;
  given.slot = planner.add_slot(id);
  const bool is_float = given.tensor && given.tensor->is_plain && given.tensor->dtype == at::kFloat;
  if (!is_float) return given;
  given.buffer = planner.add_buffer({.home = Buffer::Home::slot, .index = given.slot});
  planner.bind(id, {.buffer = *given.buffer,
                    .offset = 0,
                    .sizes = given.tensor->sizes,
                    .strides = given.tensor->strides});
  return given;
}

}  // namespace

void lower_to_library(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  std::vector<ValueTree> arguments;
  Step step{.kernel = "LibTorch",
            .operators = {},
            .run = {},
            .reads = {},
            .writes = {},
            .operations = 0,
            .detail = ""};
  for (const ValueId input : operation.inputs) {
    arguments.push_back(planner.tree(input));
    add_reads(arguments.back(), step.reads);
  }
  std::vector<Given> results;
  for (const ValueId output : operation.outputs) {
    results.push_back(expect(planner, output));
    if (results.back().buffer) step.writes.push_back(*results.back().buffer);
  }
  step.run = [call = operation.call, arguments = std::move(arguments), results = std::move(results),
              node = operation.node](Frame& frame) {
    torch::jit::Stack stack;
    stack.reserve(arguments.size());
    for (const ValueTree& argument : arguments) stack.push_back(argument.build(frame));
    call->run(stack);
    for (std::size_t i = 0; i < results.size(); ++i) {
      receive(frame, results[i], std::move(stack[i]), node);
    }
  };
  planner.leave(index, std::move(step));
}

}  // namespace torchship
