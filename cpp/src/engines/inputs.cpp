#include "engines/inputs.h"

#include <ATen/core/Tensor.h>
#include <torchship/value.h>

namespace torchship {
namespace {

std::optional<at::Device> first_device(const Value& value) {
  const auto among = [](const auto& items, const auto& get) -> std::optional<at::Device> {
    for (const auto& item : items) {
      if (const auto device = first_device(get(item))) {
        return device;
      }
    }
    return std::nullopt;
  };
  switch (value.kind()) {
    case Kind::tensor: return value.tensor().device();
    case Kind::list:
    case Kind::tuple:
      return among(value.items(), [](const Value& item) -> const Value& { return item; });
    case Kind::dict:
      return among(value.entries(), [](const auto& entry) -> const Value& { return entry.second; });
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<at::Device> first_device(const BoundInputs& inputs) {
  for (const Value* input : inputs) {
    if (const auto device = input != nullptr ? first_device(*input) : std::nullopt) {
      return device;
    }
  }
  return std::nullopt;
}

std::string describe_inputs(const MethodInfo& method, const BoundInputs& inputs) {
  std::string text;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) {
      continue;
    }
    const ValueSpec& spec = method.inputs[i];
    text += (text.empty() ? "" : ", ") + spec.name + ": " + describe(*inputs[i]);
    if (spec.traced_dtype && spec.traced_shape) {
      text += " (traced with " + std::string(to_string(*spec.traced_dtype)) + "[";
      for (std::size_t k = 0; k < spec.traced_shape->size(); ++k) {
        text += (k == 0 ? "" : ", ") + std::to_string((*spec.traced_shape)[k]);
      }
      text += "])";
    }
  }
  return text.empty() ? "no inputs" : text;
}

}  // namespace torchship
