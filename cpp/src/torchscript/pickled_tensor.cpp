#include "torchscript/pickled_tensor.h"

#include <string_view>

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

struct Element {
  std::string_view storage;  ///< As the pickle names it: "torch FloatStorage".
  at::ScalarType dtype;
};

constexpr Element kElements[] = {
    {"torch FloatStorage", at::kFloat},         {"torch DoubleStorage", at::kDouble},
    {"torch HalfStorage", at::kHalf},           {"torch BFloat16Storage", at::kBFloat16},
    {"torch LongStorage", at::kLong},           {"torch IntStorage", at::kInt},
    {"torch ShortStorage", at::kShort},         {"torch CharStorage", at::kChar},
    {"torch ByteStorage", at::kByte},           {"torch BoolStorage", at::kBool},
    {"torch ComplexFloatStorage", at::kComplexFloat},
    {"torch ComplexDoubleStorage", at::kComplexDouble},
    {"torch QInt8Storage", at::kQInt8},         {"torch QUInt8Storage", at::kQUInt8},
    {"torch QInt32Storage", at::kQInt32},
};

std::optional<at::ScalarType> dtype_of(std::string_view storage) {
  for (const Element& element : kElements) {
    if (element.storage == storage) {
      return element.dtype;
    }
  }
  return std::nullopt;
}

std::optional<PickledTensor> tensor_of(const Pickle& pickle, const Node& node, bool is_wrapped) {
  if (node.type != Type::call || node.children.size() < 2) {
    return std::nullopt;
  }
  const std::string& callable = pickle[node.children[0]].text;
  const Node& arguments = pickle[node.children[1]];
  if (callable.find("_rebuild_parameter") != std::string::npos && !arguments.children.empty()) {
    // Once only: a pickle may contain itself.
    if (is_wrapped) return std::nullopt;
    std::optional<PickledTensor> tensor = tensor_of(pickle, pickle[arguments.children[0]], true);
    if (tensor) tensor->is_parameter = true;
    return tensor;
  }
  if (callable.find("torch._utils _rebuild") != 0 || arguments.children.size() < 3) {
    return std::nullopt;
  }
  const Node& storage = pickle[arguments.children[0]];
  const Node& sizes = pickle[arguments.children[2]];
  if (storage.type != Type::persistent || sizes.type != Type::tuple) {
    return std::nullopt;
  }
  const Node& id = pickle[storage.children[0]];  // ("storage", class, record, device, elements)
  if (id.children.size() < 3) {
    return std::nullopt;
  }
  PickledTensor tensor;
  tensor.dtype = dtype_of(pickle[id.children[1]].text);
  tensor.storage = pickle[id.children[2]].text;
  tensor.offset = pickle[arguments.children[1]].integer;
  for (const std::size_t size : sizes.children) {
    tensor.shape.push_back(pickle[size].integer);
  }
  if (arguments.children.size() > 3) {
    for (const std::size_t stride : pickle[arguments.children[3]].children) {
      tensor.strides.push_back(pickle[stride].integer);
    }
  }
  return tensor;
}

}  // namespace

const Node& unwrap(const Pickle& pickle, const Node& node) {
  const bool tagged = node.type == Type::call && node.children.size() == 2 &&
                      pickle[node.children[0]].text == "torch.jit._pickle restore_type_tag" &&
                      !pickle[node.children[1]].children.empty();
  return tagged ? pickle[pickle[node.children[1]].children[0]] : node;
}

std::optional<PickledTensor> tensor_of(const Pickle& pickle, const Node& node) {
  return tensor_of(pickle, node, /*is_wrapped=*/false);
}

TensorCount TensorCounter::count(const PickledTensor& tensor) {
  if (!seen_.emplace(tensor.storage, tensor.offset, tensor.shape).second) {
    return {};
  }
  std::int64_t elements = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) {
      return {};  // Nonsense; loading refuses it.
    }
  }
  const std::size_t element_size = tensor.dtype ? c10::elementSize(*tensor.dtype) : 0;
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements, static_cast<std::int64_t>(element_size), &bytes)) {
    return {};
  }
  return {.tensors = 1, .elements = elements, .bytes = bytes};
}

void add(const TensorCount& count, TensorCount& sum) {
  // Unsigned: sizes that a file makes up may overflow, which must do no harm.
  const auto plus = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  };
  sum.tensors += count.tensors;
  sum.elements = plus(sum.elements, count.elements);
  sum.bytes = plus(sum.bytes, count.bytes);
}

}  // namespace torchship
