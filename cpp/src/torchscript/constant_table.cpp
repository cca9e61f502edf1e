#include "torchscript/constant_table.h"

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/core/class_type.h>
#include <ATen/core/ivalue_inl.h>
#include <ATen/ops/zeros.h>
#include <torch/custom_class.h>

#include "archive/pickle.h"
#include "torchscript/modules.h"
#include "torchscript/pickled_tensor.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

/// A tensor of the right type whose elements are all one number in memory, another one for each
/// constant: LibTorch makes one of constants that are equal.
c10::IValue stand_in(const PickledTensor& tensor, std::size_t number) {
  constexpr std::int64_t kLargest = 1 << 24;
  const at::ScalarType dtype = tensor.dtype.value_or(at::kFloat);
  // Of quantised tensors only the numbers' type is kept: what they mean is of no use here.
  const at::ScalarType plain = c10::isQIntType(dtype) ? c10::toUnderlying(dtype) : dtype;
  const at::Tensor element = at::zeros({}, at::TensorOptions().dtype(plain))
                                 .fill_(static_cast<std::int64_t>(number % 100));
  std::int64_t elements = 1;
  for (const std::int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(elements, size, &elements) || elements > kLargest) return element;
  }
  return element.expand(tensor.shape);
}

/// An object of a class that an operator library defines, without content.
c10::IValue empty_object(const std::string& class_name) {
  const c10::ClassTypePtr type = torch::getCustomClass(class_name);
  if (type == nullptr) return {};
  return c10::ivalue::Object::create(c10::StrongTypePtr(nullptr, type), type->numAttributes());
}

std::optional<c10::List<std::string>> strings_of(const Pickle& pickle, const Node& list) {
  c10::List<std::string> strings;
  for (const std::size_t item : list.children) {
    if (pickle[item].type != Type::string) return std::nullopt;
    strings.push_back(pickle[item].text);
  }
  return strings;
}

c10::IValue constant(const Pickle& pickle, const Node& wrapped, std::size_t number) {
  const Node& node = unwrap(pickle, wrapped);
  if (const std::optional<PickledTensor> tensor = tensor_of(pickle, node)) {
    return stand_in(*tensor, number);
  }
  if (node.type == Type::string) return node.text;
  if (node.type == Type::object) return empty_object(class_name_of(pickle, node));
  if (node.type == Type::list) {
    if (const auto strings = strings_of(pickle, node)) return *strings;
  }
  return {};
}

}  // namespace

std::vector<c10::IValue> constant_table(const TorchScriptFile& file) {
  const Pickle pickle(file.read("constants.pkl"), file.place("constants.pkl"));
  std::vector<c10::IValue> constants;
  for (const std::size_t child : pickle.root().children) {
    constants.push_back(constant(pickle, pickle[child], constants.size()));
  }
  return constants;
}

}  // namespace torchship
