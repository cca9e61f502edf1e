// What lowerings ask of values.

#include <algorithm>

#include "planned/planner.h"

namespace torchship {

std::optional<std::int64_t> Planner::integer(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed || !(fixed->isInt() || fixed->isBool())) return std::nullopt;
  return fixed->isInt() ? fixed->toInt() : static_cast<std::int64_t>(fixed->toBool());
}

std::optional<double> Planner::number(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed) return std::nullopt;
  if (fixed->isDouble()) return fixed->toDouble();
  if (fixed->isInt()) return static_cast<double>(fixed->toInt());
  if (fixed->isBool()) return fixed->toBool() ? 1.0 : 0.0;
  if (!fixed->isTensor()) return std::nullopt;
  const at::Tensor& tensor = fixed->toTensor();
  if (!tensor.defined() || tensor.numel() != 1 || tensor.is_complex()) return std::nullopt;
  return tensor.item().toDouble();
}

std::optional<bool> Planner::boolean(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed || !(fixed->isInt() || fixed->isBool())) return std::nullopt;
  return fixed->isBool() ? fixed->toBool() : fixed->toInt() != 0;
}

std::optional<Sizes> Planner::integers(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed) return std::nullopt;
  if (fixed->isInt()) return Sizes{fixed->toInt()};
  if (!fixed->isIntList()) return std::nullopt;
  return fixed->toIntVector();
}

std::optional<std::vector<double>> Planner::numbers(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed || !fixed->isDoubleList()) return std::nullopt;
  return fixed->toDoubleVector();
}

std::optional<std::string> Planner::text(ValueId id) const {
  const auto& fixed = value(id).fixed;
  if (!fixed || !fixed->isString()) return std::nullopt;
  return fixed->toStringRef();
}

std::optional<at::Tensor> Planner::weight(ValueId id) const {
  if (!is_fixed(id) || !is_array(id)) return std::nullopt;
  return value(id).fixed->toTensor();
}

std::optional<std::vector<at::Tensor>> Planner::weights(ValueId id) const {
  std::vector<at::Tensor> found;
  const auto& fixed = value(id).fixed;
  if (fixed && fixed->isTensorList()) {
    found = fixed->toTensorVector();
  } else if (const auto* parts = items(id)) {
    for (const ValueId part : *parts) {
      const auto tensor = weight(part);
      if (!tensor) return std::nullopt;
      found.push_back(*tensor);
    }
  } else {
    return std::nullopt;
  }
  const bool all_float = std::all_of(found.begin(), found.end(), [](const at::Tensor& each) {
    return each.defined() && each.is_cpu() && each.scalar_type() == at::kFloat &&
           each.layout() == at::kStrided;
  });
  return all_float ? std::optional(found) : std::nullopt;
}

}  // namespace torchship
