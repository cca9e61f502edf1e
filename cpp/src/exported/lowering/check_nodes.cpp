#include <algorithm>
#include <array>

#include "exported/lowering/lowering.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

const ExportedArgument* input(const ExportedNode& node, std::size_t position,
                              std::string_view name) {
  for (const ExportedInput& each : node.inputs) {
    if (each.name == name) return &each.argument;
  }
  return position < node.inputs.size() ? &node.inputs[position].argument : nullptr;
}

std::string message_of(const ExportedNode& node) {
  const ExportedArgument* argument = input(node, 1, "assert_msg");
  const std::string* text = argument != nullptr ? argument->get<std::string>() : nullptr;
  if (text == nullptr || text->empty()) return "a check of the model does not hold";
  // torch's own words for what torch._check was told: "... for expression u0 >= 2 on node 'ge_1'".
  constexpr std::string_view kPrefix = "Runtime assertion failed for expression ";
  if (!text->starts_with(kPrefix)) return *text;
  const std::string rest = text->substr(kPrefix.size());
  return "a check of the model does not hold: " + rest.substr(0, rest.find(" on node '"));
}

}  // namespace

/// What a program asserts. LibTorch's own operators for it give nothing, and are dead code to it.
bool Lowering::lower_check(const ExportedNode& node, LoweredNames& names) {
  const std::string& target = node.target;
  const auto value = [&](std::size_t position, const char* name) {
    const ExportedArgument* argument = input(node, position, name);
    if (argument == nullptr) refuse("argument '" + std::string(name) + "' is missing");
    return value_of(*argument, names);
  };
  if (target == "torch.ops.aten._assert_scalar.default" ||
      target == "torch.ops.aten._assert_async.msg" ||
      target == "torch.ops.aten._assert_async.default") {
    require(condition(value(0, "self")), message_of(node));
    return true;
  }
  if (target == "torch.ops.aten.sym_constrain_range_for_size.default" ||
      target == "torch.ops.aten.sym_constrain_range.default") {
    constrain(node, value(0, "size"), input(node, 1, "min"), input(node, 2, "max"));
    return true;
  }
  // What export knew of a tensor on its way: dtype and device follow from those of the inputs, which
  // are compared, and with another device (LoadOptions::retarget) it would not hold.
  return target == "torch.ops.aten._assert_tensor_metadata.default";
}

void Lowering::constrain(const ExportedNode& node, jit::Value* number, const ExportedArgument* min,
                         const ExportedArgument* max) {
  const bool is_size = node.target.ends_with("_for_size.default");
  if (number->type()->kind() != c10::TypeKind::IntType) return;
  const std::int64_t* least = min != nullptr ? min->get<std::int64_t>() : nullptr;
  const std::int64_t* most = max != nullptr ? max->get<std::int64_t>() : nullptr;
  const auto bound = [&](c10::Symbol comparison, std::int64_t limit, const char* word) {
    require(graph_.insert(comparison, {number, constant(limit)}),
            "a number that the model computes must be " + std::string(word) + " " +
                std::to_string(limit));
  };
  if (least != nullptr || is_size) {
    bound(c10::aten::ge, least != nullptr ? std::max<std::int64_t>(*least, is_size ? 0 : *least) : 0,
          "at least");
  }
  if (most != nullptr) bound(c10::aten::le, *most, "at most");
}

}  // namespace torchship
