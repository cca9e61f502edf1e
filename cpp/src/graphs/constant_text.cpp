#include "graphs/constant_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torchship/value.h>

#include "archive/text.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::int64_t kMostElements = 4;
constexpr std::size_t kMostItems = 16;

/// As TorchScript writes them: 20. and 0.5, so that a float is never taken for an integer.
std::string float_text(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  std::string text(digits.data(), end);
  return text.find_first_of(".e") == std::string::npos ? text + "." : text;
}

std::string element_text(const at::Tensor& element) {
  if (element.is_complex()) return "complex";
  const at::Scalar value = element.item();
  if (value.isBoolean()) return value.toBool() ? "True" : "False";
  return value.isFloatingPoint() ? float_text(value.toDouble()) : std::to_string(value.toLong());
}

std::string tensor_text(const at::Tensor& tensor) {
  const bool small = tensor.numel() <= kMostElements && tensor.dim() <= 1 &&
                     tensor.layout() == at::kStrided && !tensor.is_quantized() &&
                     !tensor.is_complex() && tensor.device().is_cpu();
  if (!small) {
    return "<" + describe(Value(tensor)) + ", " + std::to_string(tensor.nbytes()) + " bytes>";
  }
  if (tensor.dim() == 0) return element_text(tensor);  // The tracer makes every number one.
  std::string text = "tensor([";
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    text += (i == 0 ? "" : ", ") + element_text(tensor[i]);
  }
  return text + "])";
}

std::string value_text(const c10::IValue& value, int depth = 0);

template <typename Items>
std::string items_text(const Items& items, int depth) {
  std::string text;
  std::size_t count = 0;
  for (const c10::IValue& item : items) {
    if (++count > kMostItems) return text + ", ...";
    text += (count == 1 ? "" : ", ") + value_text(item, depth + 1);
  }
  return text;
}

std::string value_text(const c10::IValue& value, int depth) {
  constexpr int kDeepest = 4;
  if (value.isNone()) return "None";
  if (value.isTensor()) return value.toTensor().defined() ? tensor_text(value.toTensor()) : "None";
  if (value.isBool()) return value.toBool() ? "True" : "False";
  if (value.isInt()) return std::to_string(value.toInt());
  if (value.isDouble()) return float_text(value.toDouble());
  if (value.isString()) return quote(value.toStringRef());
  if (value.isDevice()) return "device " + quote(value.toDevice().str());
  if (depth >= kDeepest) return "...";
  if (value.isList()) return "[" + items_text(value.toListRef(), depth) + "]";
  if (value.isTuple()) return "(" + items_text(value.toTupleRef().elements(), depth) + ")";
  return "<" + value.tagKind() + ">";
}

}  // namespace

std::string constant_text(const jit::Node& constant) {
  if (constant.outputs().size() != 1) return "";
  const std::optional<c10::IValue> value = jit::toIValue(constant.output());
  if (value) return value_text(*value);
  return "<" + constant.output()->type()->annotation_str() + ">";
}

}  // namespace torchship
