#pragma once

#include <complex>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torchship/export.h>

namespace torchship {

/// What a Value holds. `any` occurs in signatures only.
enum class Kind : std::uint8_t {
  none,
  tensor,
  boolean,
  integer,
  floating,
  complex,
  string,
  list,
  tuple,
  dict,
  object,
  any,
};

/// The word used for a kind in messages and JSON: "tensor", "bool", "int", "float", "str", ...
TORCHSHIP_EXPORT std::string_view to_string(Kind kind) noexcept;

/// What may cross a model's boundary: a tensor, a number, a bool, a string, None, or a list, tuple
/// or dict of such values, nested as deep as one likes.
///
/// A Value is cheap to copy: tensors and containers are shared, and containers never change once
/// made. Accessors throw SignatureError when the Value holds another kind. Reading one Value from
/// several threads is safe.
class TORCHSHIP_EXPORT Value {
 public:
  /// Entries keep their order. Keys are strings, integers, floats, bools or tensors.
  using Entries = std::vector<std::pair<Value, Value>>;

  /// An instance of a TorchScript class. It can only be handed back to the model it came from.
  struct Object;

  Value() = default;  ///< None.
  Value(at::Tensor tensor) : data_(std::move(tensor)) {}
  Value(bool boolean) : data_(boolean) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Value(T integer) : data_(static_cast<std::int64_t>(integer)) {}
  Value(double floating) : data_(floating) {}
  Value(std::complex<double> number) : data_(number) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(const char* text) : data_(std::string(text)) {}
  explicit Value(std::shared_ptr<const Object> object) : data_(std::move(object)) {}

  static Value list(std::vector<Value> items);
  /// `names`, where given, makes a named tuple: one name for each item.
  static Value tuple(std::vector<Value> items, std::vector<std::string> names = {});
  static Value dict(Entries entries);

  Kind kind() const noexcept;
  bool is_none() const noexcept { return kind() == Kind::none; }
  bool is_tensor() const noexcept { return kind() == Kind::tensor; }

  const at::Tensor& tensor() const;
  bool boolean() const;
  std::int64_t integer() const;
  double floating() const;
  std::complex<double> complex() const;
  const std::string& string() const;
  const std::vector<Value>& items() const;        ///< Of a list or a tuple.
  const std::vector<std::string>& names() const;  ///< Of a tuple; empty unless it is a named one.
  const Entries& entries() const;                 ///< Of a dict.
  const std::shared_ptr<const Object>& object() const;

  /// Items of a list or tuple; number of entries of a dict.
  std::size_t size() const;
  /// The item at `index` of a list or tuple. Throws SignatureError when there is none.
  const Value& operator[](std::size_t index) const;
  /// The value under a string key of a dict, or of a field of a named tuple. Throws SignatureError.
  const Value& operator[](std::string_view key) const;

 private:
  struct Sequence;
  struct Mapping;

  template <typename T>
  const T& get(Kind wanted) const;

  std::variant<std::monostate, at::Tensor, bool, std::int64_t, double, std::complex<double>,
               std::string, std::shared_ptr<const Sequence>, std::shared_ptr<const Mapping>,
               std::shared_ptr<const Object>>
      data_;
};

/// Arguments by name, as in `model.run({{"image", x}})`.
using NamedValues = std::vector<std::pair<std::string, Value>>;

/// The leaves of a value with their names: `name` where the value is one, else dict keys, field names
/// or numbers, those of nested ones joined by dots.
TORCHSHIP_EXPORT NamedValues flatten(const Value& value, const std::string& name = "output");

/// "float32[1, 3]", "list of 2 items", "int 5": how messages describe a value.
TORCHSHIP_EXPORT std::string describe(const Value& value);

/// "float32", "int64", "bfloat16", ...: dtypes are spelt as in Python.
TORCHSHIP_EXPORT std::string_view to_string(at::ScalarType dtype) noexcept;

}  // namespace torchship
