#include "planned/lower/epilogue.h"

#include <string_view>
#include <unordered_map>

namespace torchship {
namespace {

using compute::Activation;

std::optional<Following> bounded(std::optional<double> low, std::optional<double> high) {
  if (!low || !high) return std::nullopt;
  Following found{.activation = Activation::clamp, .residual = {}};
  found.low = static_cast<float>(*low);
  found.high = static_cast<float>(*high);
  return found;
}

std::optional<Following> simple(Activation activation) {
  return Following{.activation = activation, .residual = {}};
}

}  // namespace

compute::Epilogue Following::epilogue() const {
  compute::Epilogue made;
  made.activation = activation;
  made.low = low;
  made.high = high;
  made.residual_is_last = residual_is_last;
  return made;
}

std::optional<Following> activation_of(const Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const std::string_view name = operation.node->kind().toQualString();
  static const std::unordered_map<std::string_view, Activation> kSimple = {
      {"aten::relu", Activation::relu},           {"aten::silu", Activation::silu},
      {"aten::sigmoid", Activation::sigmoid},     {"aten::tanh", Activation::tanh},
      {"aten::hardswish", Activation::hardswish}, {"aten::hardsigmoid", Activation::hardsigmoid},
  };
  if (const auto found = kSimple.find(name); found != kSimple.end()) return simple(found->second);
  if (name == "aten::relu6") return bounded(0, 6);
  if (name == "aten::gelu") {
    const bool tanh = planner.text(operation.inputs[1]).value_or("none") == "tanh";
    return simple(tanh ? Activation::gelu_tanh : Activation::gelu);
  }
  if (name == "aten::hardtanh" || (name == "aten::clamp" && operation.inputs.size() == 3)) {
    return bounded(planner.number(operation.inputs[1]), planner.number(operation.inputs[2]));
  }
  return std::nullopt;
}

std::optional<ValueId> other_summand(const Planner& planner, std::size_t index, ValueId one) {
  const ObservedOperation& operation = planner.operation(index);
  if (operation.node->kind() != c10::aten::add || operation.inputs.size() != 3) return std::nullopt;
  if (planner.number(operation.inputs[2]) != 1.0) return std::nullopt;
  const ValueId other = operation.inputs[operation.inputs[0] == one ? 1 : 0];
  if (other == one || !planner.is_array(other) || !planner.is_there(other)) return std::nullopt;
  if (planner.tensor(other)->sizes != planner.tensor(one)->sizes) return std::nullopt;
  return other;
}

}  // namespace torchship
