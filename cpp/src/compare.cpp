#include "compare.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>
#include <c10/util/complex.h>

#include "key_text.h"

namespace torchship {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// --- Elements ----------------------------------------------------------------------------------

bool is_nan(double number) { return std::isnan(number); }
bool is_nan(c10::complex<double> number) {
  return std::isnan(number.real()) || std::isnan(number.imag());
}
template <std::integral T>
bool is_nan(T) {
  return false;
}

bool is_finite(double number) { return std::isfinite(number); }
bool is_finite(c10::complex<double> number) {
  return std::isfinite(number.real()) && std::isfinite(number.imag());
}
template <std::integral T>
bool is_finite(T) {
  return true;
}

double magnitude(double number) { return std::abs(number); }
double magnitude(c10::complex<double> number) { return std::hypot(number.real(), number.imag()); }
double magnitude(std::int64_t number) { return std::abs(static_cast<double>(number)); }
double magnitude(std::uint64_t number) { return static_cast<double>(number); }

/// |a - b|, without overflow: integers that differ are never at distance 0.
double distance(double a, double b) { return std::abs(a - b); }
double distance(c10::complex<double> a, c10::complex<double> b) { return magnitude(a - b); }
template <std::integral T>
double distance(T a, T b) {
  return static_cast<double>(static_cast<std::uint64_t>(std::max(a, b)) -
                             static_cast<std::uint64_t>(std::min(a, b)));
}

/// Differences, added up.
class Total {
 public:
  explicit Total(const Tolerance& tolerance) : tolerance_(tolerance) {}

  template <typename T>
  void add(T got, T expected) {
    if (is_nan(got) && is_nan(expected)) return;
    const double size = magnitude(expected);
    if (got == expected) {
      if (is_finite(expected)) expected_.add(size);
      return;
    }
    if (!is_finite(got) || !is_finite(expected)) {
      is_finite_ = false;
      return;
    }
    const double absolute = distance(got, expected);
    expected_.add(size);
    apart_.add(absolute);
    absolute_ = std::max(absolute_, absolute);
    if (size > 0) relative_ = std::max(relative_, absolute / size);
    within_ = within_ && absolute <= tolerance_.absolute + tolerance_.relative * size;
  }

  Difference difference() const {
    if (!is_finite_) return {kInfinity, kInfinity, kInfinity, false};
    const double apart = apart_.value(), expected = expected_.value();
    const double normwise = apart == 0 ? 0 : expected > 0 ? apart / expected : kInfinity;
    return {absolute_, relative_, normwise, within_ || normwise <= tolerance_.normwise};
  }

 private:
  /// A Euclidean norm; the largest number is kept apart, for squares overflow where it does not.
  class Norm {
   public:
    void add(double size) {
      if (size > largest_) {
        sum_ = sum_ * (largest_ / size) * (largest_ / size) + 1;
        largest_ = size;
      } else if (size > 0) {
        sum_ += (size / largest_) * (size / largest_);
      }
    }
    double value() const { return largest_ * std::sqrt(sum_); }

   private:
    double largest_ = 0, sum_ = 0;
  };

  const Tolerance& tolerance_;
  Norm apart_, expected_;
  double absolute_ = 0, relative_ = 0;
  bool within_ = true, is_finite_ = true;
};

template <typename T>
Difference compare_numbers(T got, T expected, const Tolerance& tolerance) {
  Total total(tolerance);
  total.add(got, expected);
  return total.difference();
}

template <typename T>
Difference compare_as(at::ScalarType type, const at::Tensor& got, const at::Tensor& expected,
                      const Tolerance& tolerance) {
  const at::Tensor left = got.to(at::kCPU).to(type).contiguous();
  const at::Tensor right = expected.to(at::kCPU).to(type).contiguous();
  const T* a = left.const_data_ptr<T>();
  const T* b = right.const_data_ptr<T>();
  Total total(tolerance);
  for (std::int64_t i = 0; i < left.numel(); ++i) total.add(a[i], b[i]);
  return total.difference();
}

// --- Trees -------------------------------------------------------------------------------------

std::string literal(const Value& value) {
  return value.kind() == Kind::string ? describe(value) : key_text(value);
}

/// The member of a container's spec, where the manifest lists members.
const ValueSpec* member(const ValueSpec* spec, std::size_t index) {
  return spec != nullptr && spec->members && index < spec->members->size() ? &(*spec->members)[index]
                                                                           : nullptr;
}

const ValueSpec* member(const ValueSpec* spec, const std::string& key) {
  if (spec != nullptr && spec->members) {
    for (const ValueSpec& each : *spec->members) {
      if (each.name == key) {
        return &each;
      }
    }
  }
  return nullptr;
}

/// One comparison of two trees, leaf by leaf.
class Comparison {
 public:
  /// `whole` names a result that is one value.
  Comparison(std::string whole, double normwise) : whole_(std::move(whole)), normwise_(normwise) {}

  void compare(const Value& got, const Value& expected, const ValueSpec* spec,
               const std::string& name) {
    if (got.kind() != expected.kind()) {
      add_problem(name, "expected " + describe(expected) + ", got " + describe(got));
      return;
    }
    switch (expected.kind()) {
      case Kind::list:
      case Kind::tuple: compare_items(got, expected, spec, name); break;
      case Kind::dict: compare_entries(got, expected, spec, name); break;
      case Kind::tensor: compare_tensor(got, expected, spec, name); break;
      default: compare_plain(got, expected, name);
    }
  }

  std::vector<OutputCheck> outputs;

 private:
  OutputCheck& add(const std::string& name) {
    outputs.emplace_back().name = name.empty() ? whole_ : name;
    return outputs.back();
  }

  void add_problem(const std::string& name, const std::string& problem) {
    OutputCheck& output = add(name);
    output.absolute = output.relative = output.normwise = kInfinity;
    output.problem = problem;
  }

  static void set(OutputCheck& output, const Difference& difference) {
    output.absolute = difference.absolute;
    output.relative = difference.relative;
    output.normwise = difference.normwise;
    output.passed = difference.within;
  }

  static std::string inside(const std::string& name, const std::string& step) {
    return name.empty() ? step : name + "." + step;
  }

  void compare_items(const Value& got, const Value& expected, const ValueSpec* spec,
                     const std::string& name) {
    if (got.size() != expected.size()) {
      add_problem(name, "expected " + describe(expected) + ", got " + describe(got));
      return;
    }
    const bool has_names = got.kind() == Kind::tuple && !got.names().empty();
    for (std::size_t i = 0; i < got.size(); ++i) {
      compare(got[i], expected[i], member(spec, i),
              inside(name, has_names ? got.names()[i] : std::to_string(i)));
    }
  }

  /// Dicts are equal in any order: callers read them by key.
  void compare_entries(const Value& got, const Value& expected, const ValueSpec* spec,
                       const std::string& name) {
    const auto find = [](const Value& dict, const std::string& key) -> const Value* {
      for (const auto& [candidate, item] : dict.entries()) {
        if (key_text(candidate) == key) {
          return &item;
        }
      }
      return nullptr;
    };
    for (const auto& [key, item] : expected.entries()) {
      const std::string step = key_text(key);
      if (const Value* found = find(got, step)) {
        compare(*found, item, member(spec, step), inside(name, step));
      } else {
        add_problem(inside(name, step), "expected " + describe(item) + ", but it is missing");
      }
    }
    for (const auto& [key, item] : got.entries()) {
      if (find(expected, key_text(key)) == nullptr) {
        add_problem(inside(name, key_text(key)), "expected no such key, got " + describe(item));
      }
    }
  }

  void compare_tensor(const Value& got, const Value& expected, const ValueSpec* spec,
                      const std::string& name) {
    const at::Tensor& a = got.tensor();
    const at::Tensor& b = expected.tensor();
    if (a.is_nested() || a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) {
      add_problem(name, "expected " + describe(expected) + ", got " + describe(got));
      return;
    }
    OutputCheck& output = add(name);
    const bool exact = at::isIntegralType(b.scalar_type(), /*includeBool=*/true);
    if (spec != nullptr && spec->tolerance && !exact) {
      output.tolerance = *spec->tolerance;
    } else {
      output.tolerance = default_tolerance(b.scalar_type());
      if (!exact) output.tolerance.normwise = normwise_;
    }
    set(output, compare_tensors(a, b, output.tolerance));
  }

  void compare_plain(const Value& got, const Value& expected, const std::string& name) {
    OutputCheck& output = add(name);
    Difference difference;
    switch (expected.kind()) {
      case Kind::floating:
      case Kind::complex: {
        output.tolerance = default_tolerance(at::kDouble);
        output.tolerance.normwise = normwise_;
        const bool real = expected.kind() == Kind::floating;
        difference =
            compare_numbers(c10::complex<double>(real ? got.floating() : got.complex()),
                            c10::complex<double>(real ? expected.floating() : expected.complex()),
                            output.tolerance);
        break;
      }
      case Kind::integer: difference = compare_numbers(got.integer(), expected.integer(), {}); break;
      case Kind::boolean:
        difference = compare_numbers<std::int64_t>(got.boolean(), expected.boolean(), {});
        break;
      case Kind::string: difference.within = got.string() == expected.string(); break;
      default: difference.within = expected.is_none();
    }
    set(output, difference);
    if (!output.passed) {
      output.problem = "expected " + literal(expected) + ", got " + literal(got);
    }
  }

  std::string whole_;
  double normwise_;
};

}  // namespace

Tolerance default_tolerance(at::ScalarType dtype) {
  if (at::isIntegralType(dtype, /*includeBool=*/true)) {
    return {};
  }
  switch (dtype) {
    case at::kDouble:
    case at::kComplexDouble: return {.absolute = 1e-7, .relative = 1e-6};
    case at::kFloat:
    case at::kComplexFloat: return {.absolute = 1e-5, .relative = 1e-4};
    case at::kHalf:
    case at::kComplexHalf: return {.absolute = 1e-3, .relative = 1e-2};
    case at::kBFloat16: return {.absolute = 1e-2, .relative = 5e-2};
    default: return {.absolute = 1e-1, .relative = 2.5e-1};  // float8 types: one step of theirs.
  }
}

Difference compare_tensors(const at::Tensor& got, const at::Tensor& expected,
                           const Tolerance& tolerance) {
  const at::Tensor a = got.to_dense();
  const at::Tensor b = expected.to_dense();
  const at::ScalarType dtype = b.scalar_type();
  if (b.is_complex()) {
    return compare_as<c10::complex<double>>(at::kComplexDouble, a, b, tolerance);
  }
  if (dtype == at::ScalarType::UInt64) {
    return compare_as<std::uint64_t>(dtype, a, b, tolerance);
  }
  if (at::isIntegralType(dtype, /*includeBool=*/true)) {
    return compare_as<std::int64_t>(at::kLong, a, b, tolerance);
  }
  return compare_as<double>(at::kDouble, a, b, tolerance);
}

std::vector<OutputCheck> compare(const Value& got, const Value& expected, const ValueSpec& spec,
                                 double normwise) {
  Comparison comparison(spec.name.empty() ? "output" : spec.name, normwise);
  comparison.compare(got, expected, &spec, "");
  return std::move(comparison.outputs);
}

}  // namespace torchship
