#include "planned/static_value.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <string_view>

#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMostBytes = std::size_t{16} << 20;

bool is_small_tensor(const at::Tensor& tensor) {
  return !tensor.defined() || (tensor.layout() == at::kStrided && !tensor.is_quantized() &&
                               tensor.nbytes() <= kMostBytes);
}

}  // namespace

bool is_repeatable(const jit::Node& node) {
  return node.blocks().empty() && !node.hasSideEffects() && !node.isNondeterministic() &&
         !may_write(node) && node.kind() != c10::prim::CreateObject;
}

bool reads_sizes_alone(const jit::Node& node) {
  constexpr std::string_view kReaders[] = {
      "aten::size",         "aten::dim",       "aten::numel",
      "aten::sym_size",     "aten::sym_numel", "prim::dtype",
      "prim::device",       "prim::layout",    "aten::is_floating_point",
      "aten::is_complex",   "prim::shape",     "prim::is_cuda",
      "prim::is_quantized", "aten::ndimension"};
  const std::string_view name = node.kind().toQualString();
  return std::find(std::begin(kReaders), std::end(kReaders), name) != std::end(kReaders);
}

bool is_small(const c10::IValue& value) {
  constexpr std::size_t kLongest = 4096;
  if (value.isTensor()) return is_small_tensor(value.toTensor());
  if (value.isTensorList()) {
    const auto tensors = value.toTensorList();
    return tensors.size() <= kLongest &&
           std::all_of(tensors.begin(), tensors.end(),
                       [](const at::Tensor& each) { return is_small_tensor(each); });
  }
  if (value.isTuple()) {
    const auto& items = value.toTupleRef().elements();
    return items.size() <= kLongest && std::all_of(items.begin(), items.end(), is_small);
  }
  if (value.isList()) {
    const auto items = value.toListRef();
    return items.size() <= kLongest && std::all_of(items.begin(), items.end(), is_small);
  }
  return value.isScalar() || value.isBool() || value.isNone() || value.isString() ||
         value.isDevice();
}

}  // namespace torchship
