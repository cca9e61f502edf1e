#include "planned/same_values.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>

#include <cmath>
#include <cstdint>
#include <cstdio>

namespace torchship {
namespace {

/// Those of docs/archive-format.md for float32, and one that grows with the tensor's largest
/// element: where large terms cancel, another order of additions costs as much.
constexpr double kAbsolute = 1e-5, kRelative = 1e-4, kOfLargest = 2e-6;

std::string float_difference(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor a = got.contiguous(), b = expected.contiguous();
  const float* const own = a.const_data_ptr<float>();
  const float* const other = b.const_data_ptr<float>();
  double largest = 0;
  for (std::int64_t i = 0; i < b.numel(); ++i) {
    if (std::isfinite(other[i])) largest = std::max<double>(largest, std::abs(other[i]));
  }
  const double least = std::max(kAbsolute, kOfLargest * largest);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = own[i], y = other[i];
    const bool is_same = x == y || (std::isnan(x) && std::isnan(y)) ||
                         std::abs(x - y) <= least + kRelative * std::abs(y);
    if (is_same) continue;
    char text[128];
    std::snprintf(text, sizeof(text), "an element is %.6g instead of %.6g; the largest is %.3g", x,
                  y, largest);
    return text;
  }
  return "";
}

enum class Depth : std::uint8_t { structure, elements };

std::string tensor_difference(const at::Tensor& got, const at::Tensor& expected, Depth depth) {
  if (!got.defined() || !expected.defined())
    return got.defined() == expected.defined() ? "" : "one is missing";
  if (got.scalar_type() != expected.scalar_type() || got.sizes() != expected.sizes()) {
    return "other dtypes or sizes";
  }
  if (depth == Depth::structure) return "";
  const bool is_plain = got.is_cpu() && got.layout() == at::kStrided && !got.is_quantized();
  if (is_plain && got.scalar_type() == at::kFloat) return float_difference(got, expected);
  if (got.layout() != at::kStrided || got.is_quantized()) return "";
  return at::equal(got, expected) ? "" : "elements differ";
}

std::string difference_at(const c10::IValue& got, const c10::IValue& expected, Depth depth);

template <typename Items>
std::string all_differences(const Items& got, const Items& expected, Depth depth) {
  if (got.size() != expected.size()) return "another number of items";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::string found = difference_at(got[i], expected[i], depth); !found.empty()) return found;
  }
  return "";
}

std::string difference_at(const c10::IValue& got, const c10::IValue& expected, Depth depth) {
  if (got.tagKind() != expected.tagKind())
    return got.tagKind() + " instead of " + expected.tagKind();
  if (got.isTensor()) return tensor_difference(got.toTensor(), expected.toTensor(), depth);
  if (got.isTuple())
    return all_differences(got.toTupleRef().elements(), expected.toTupleRef().elements(), depth);
  if (got.isList()) return all_differences(got.toListRef(), expected.toListRef(), depth);
  if (got.isGenericDict()) {
    for (const auto& entry : expected.toGenericDict()) {
      const auto own = got.toGenericDict().find(entry.key());
      if (own == got.toGenericDict().end()) return "a key is missing";
      std::string found = difference_at(own->value(), entry.value(), depth);
      if (!found.empty()) return found;
    }
    return "";
  }
  return depth == Depth::structure || got == expected ? "" : "another value";
}

}  // namespace

std::string difference(const c10::IValue& got, const c10::IValue& expected) {
  return difference_at(got, expected, Depth::elements);
}

std::string structural_difference(const c10::IValue& got, const c10::IValue& expected) {
  return difference_at(got, expected, Depth::structure);
}

}  // namespace torchship
