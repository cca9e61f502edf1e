#include "fuzz/example.h"

#include <algorithm>
#include <cstdint>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

namespace torchship::fuzz {
namespace {

constexpr std::int64_t kMostElements = 1 << 16;

/// Makes values for the arguments of one method.
class Maker {
 public:
  explicit Maker(const MethodInfo& method) : method_(method) {}

  Value make(const ValueSpec& spec, int depth = 0) const {
    constexpr int kDeepest = 8;
    if (depth > kDeepest) return {};
    if (spec.constant) return *spec.constant;
    switch (spec.kind) {
      case Kind::tensor: return tensor(spec);
      case Kind::boolean: return true;
      case Kind::integer: return 2;
      case Kind::floating: return 0.5;
      case Kind::complex: return std::complex<double>(0.5, 1);
      case Kind::string: return "a";
      case Kind::tuple: return Value::tuple(all(spec.members.value_or(spec.items), depth));
      case Kind::list: return list(spec, depth);
      case Kind::dict: return dict(spec, depth);
      default: return {};
    }
  }

 private:
  std::vector<Value> all(const std::vector<ValueSpec>& specs, int depth) const {
    constexpr std::size_t kMost = 64;
    std::vector<Value> values;
    for (std::size_t i = 0; i < std::min(specs.size(), kMost); ++i) {
      values.push_back(make(specs[i], depth + 1));
    }
    return values;
  }

  Value list(const ValueSpec& spec, int depth) const {
    if (spec.members) return Value::list(all(*spec.members, depth));
    const Value item = spec.items.empty() ? Value() : make(spec.items[0], depth + 1);
    return Value::list({item, item});
  }

  Value dict(const ValueSpec& spec, int depth) const {
    Value::Entries entries;
    if (spec.members) {
      for (const ValueSpec& member : *spec.members) {
        entries.emplace_back(member.name, make(member, depth + 1));
      }
    } else if (spec.items.size() == 2) {
      entries.emplace_back(make(spec.items[0], depth + 1), make(spec.items[1], depth + 1));
    }
    return Value::dict(std::move(entries));
  }

  std::vector<std::int64_t> shape(const ValueSpec& spec) const {
    if (!spec.shape) return spec.traced_shape.value_or(std::vector<std::int64_t>{2, 3});
    std::vector<std::int64_t> sizes;
    for (const Dimension& dimension : *spec.shape) sizes.push_back(size(dimension));
    return sizes;
  }

  std::int64_t size(const Dimension& dimension) const {
    constexpr std::int64_t kUsual = 2;
    if (dimension.size >= 0) return dimension.size;
    const auto symbol = static_cast<std::size_t>(dimension.symbol);
    if (symbol >= method_.dimensions.size()) return kUsual;
    const DimensionRange& range = method_.dimensions[symbol];
    const std::int64_t size = std::max(kUsual, range.min);
    return range.max && *range.max < size ? *range.max : size;
  }

  at::Tensor tensor(const ValueSpec& spec) const {
    std::vector<std::int64_t> sizes = shape(spec);
    std::int64_t elements = 1;
    for (std::int64_t& size : sizes) {
      size = std::clamp<std::int64_t>(size, 0, kMostElements / std::max<std::int64_t>(elements, 1));
      elements *= size;
    }
    at::ScalarType dtype = spec.dtype.value_or(spec.traced_dtype.value_or(at::kFloat));
    if (at::isQIntType(dtype)) dtype = at::kFloat;
    return at::arange(elements, at::kFloat).remainder(7).to(dtype).view(sizes);
  }

  const MethodInfo& method_;
};

bool same_tensors(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}

bool same_entries(const Value::Entries& a, const Value::Entries& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return same(x.first, y.first) && same(x.second, y.second);
  });
}

}  // namespace

std::vector<Value> example_inputs(const MethodInfo& method) {
  const Maker maker(method);
  std::vector<Value> values;
  for (const ValueSpec& input : method.inputs) values.push_back(maker.make(input));
  return values;
}

bool same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::tensor: return same_tensors(a.tensor(), b.tensor());
    case Kind::list:
    case Kind::tuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        same);
    case Kind::dict: return same_entries(a.entries(), b.entries());
    default: return describe(a) == describe(b);
  }
}

}  // namespace torchship::fuzz
