#include <torchship/value.h>

#include <sstream>

#include <c10/core/ScalarType.h>
#include <torchship/error.h>

#include "object.h"

namespace torchship {

struct Value::Sequence {
  Kind kind;
  std::vector<Value> items;
  std::vector<std::string> names;
};

struct Value::Mapping {
  Entries entries;
};

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::none: return "None";
    case Kind::tensor: return "tensor";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::floating: return "float";
    case Kind::complex: return "complex";
    case Kind::string: return "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dict";
    case Kind::object: return "object";
    case Kind::any: return "any";
  }
  return "unknown";
}

Value Value::list(std::vector<Value> items) {
  Value value;
  value.data_ = std::make_shared<const Sequence>(
      Sequence{.kind = Kind::list, .items = std::move(items), .names = {}});
  return value;
}

Value Value::tuple(std::vector<Value> items, std::vector<std::string> names) {
  if (!names.empty() && names.size() != items.size()) {
    throw SignatureError("a named tuple of " + std::to_string(items.size()) + " items was given " +
                         std::to_string(names.size()) + " names");
  }
  Value value;
  value.data_ = std::make_shared<const Sequence>(
      Sequence{.kind = Kind::tuple, .items = std::move(items), .names = std::move(names)});
  return value;
}

Value Value::dict(Entries entries) {
  Value value;
  value.data_ = std::make_shared<const Mapping>(Mapping{std::move(entries)});
  return value;
}

Kind Value::kind() const noexcept {
  struct Visitor {
    Kind operator()(std::monostate) const { return Kind::none; }
    Kind operator()(const at::Tensor&) const { return Kind::tensor; }
    Kind operator()(bool) const { return Kind::boolean; }
    Kind operator()(std::int64_t) const { return Kind::integer; }
    Kind operator()(double) const { return Kind::floating; }
    Kind operator()(const std::complex<double>&) const { return Kind::complex; }
    Kind operator()(const std::string&) const { return Kind::string; }
    Kind operator()(const std::shared_ptr<const Sequence>& sequence) const {
      return sequence->kind;
    }
    Kind operator()(const std::shared_ptr<const Mapping>&) const { return Kind::dict; }
    Kind operator()(const std::shared_ptr<const Object>&) const { return Kind::object; }
  };
  return std::visit(Visitor{}, data_);
}

template <typename T>
const T& Value::get(Kind wanted) const {
  if (const T* held = std::get_if<T>(&data_)) {
    return *held;
  }
  throw SignatureError("expected a value of kind " + std::string(to_string(wanted)) + ", got " +
                       describe(*this));
}

const at::Tensor& Value::tensor() const { return get<at::Tensor>(Kind::tensor); }
bool Value::boolean() const { return get<bool>(Kind::boolean); }
std::int64_t Value::integer() const { return get<std::int64_t>(Kind::integer); }
double Value::floating() const { return get<double>(Kind::floating); }
std::complex<double> Value::complex() const { return get<std::complex<double>>(Kind::complex); }
const std::string& Value::string() const { return get<std::string>(Kind::string); }
const std::vector<Value>& Value::items() const {
  return get<std::shared_ptr<const Sequence>>(Kind::list)->items;
}
const std::vector<std::string>& Value::names() const {
  return get<std::shared_ptr<const Sequence>>(Kind::tuple)->names;
}
const Value::Entries& Value::entries() const {
  return get<std::shared_ptr<const Mapping>>(Kind::dict)->entries;
}
const std::shared_ptr<const Value::Object>& Value::object() const {
  return get<std::shared_ptr<const Object>>(Kind::object);
}

std::size_t Value::size() const {
  return kind() == Kind::dict ? entries().size() : items().size();
}

const Value& Value::operator[](std::size_t index) const {
  const std::vector<Value>& all = items();
  if (index >= all.size()) {
    throw SignatureError("item " + std::to_string(index) + " was asked of a " + describe(*this));
  }
  return all[index];
}

const Value& Value::operator[](std::string_view key) const {
  if (kind() == Kind::dict) {
    for (const auto& [name, value] : entries()) {
      if (name.kind() == Kind::string && name.string() == key) {
        return value;
      }
    }
  } else if (kind() == Kind::tuple) {
    for (std::size_t i = 0; i < names().size(); ++i) {
      if (names()[i] == key) {
        return items()[i];
      }
    }
  }
  throw SignatureError("'" + std::string(key) + "' was asked of a " + describe(*this));
}

std::string_view to_string(at::ScalarType dtype) noexcept {
  switch (dtype) {
    case at::ScalarType::Byte: return "uint8";
    case at::ScalarType::Char: return "int8";
    case at::ScalarType::Short: return "int16";
    case at::ScalarType::Int: return "int32";
    case at::ScalarType::Long: return "int64";
    case at::ScalarType::UInt16: return "uint16";
    case at::ScalarType::UInt32: return "uint32";
    case at::ScalarType::UInt64: return "uint64";
    case at::ScalarType::Half: return "float16";
    case at::ScalarType::Float: return "float32";
    case at::ScalarType::Double: return "float64";
    case at::ScalarType::BFloat16: return "bfloat16";
    case at::ScalarType::ComplexHalf: return "complex32";
    case at::ScalarType::ComplexFloat: return "complex64";
    case at::ScalarType::ComplexDouble: return "complex128";
    case at::ScalarType::Bool: return "bool";
    case at::ScalarType::QInt8: return "qint8";
    case at::ScalarType::QUInt8: return "quint8";
    case at::ScalarType::QInt32: return "qint32";
    case at::ScalarType::Float8_e4m3fn: return "float8_e4m3fn";
    case at::ScalarType::Float8_e4m3fnuz: return "float8_e4m3fnuz";
    case at::ScalarType::Float8_e5m2: return "float8_e5m2";
    case at::ScalarType::Float8_e5m2fnuz: return "float8_e5m2fnuz";
    case at::ScalarType::Float8_e8m0fnu: return "float8_e8m0fnu";
    default: return c10::toString(dtype);
  }
}

namespace {

std::string describe_tensor(const at::Tensor& tensor) {
  if (!tensor.defined()) {
    return "undefined tensor";
  }
  std::ostringstream out;
  out << to_string(tensor.scalar_type());
  if (tensor.is_nested()) {
    out << " nested tensor";
    return out.str();
  }
  out << '[';
  const char* separator = "";
  for (const std::int64_t size : tensor.sizes()) {
    out << separator << size;
    separator = ", ";
  }
  out << ']';
  if (tensor.layout() != at::kStrided) {
    out << " in layout " << tensor.layout();
  }
  if (!tensor.is_cpu()) {
    out << " on " << tensor.device();
  }
  return out.str();
}

std::string count_of(const char* what, std::size_t count) {
  return std::string(what) + " of " + std::to_string(count) + (count == 1 ? " item" : " items");
}

}  // namespace

std::string describe(const Value& value) {
  switch (value.kind()) {
    case Kind::none: return "None";
    case Kind::tensor: return describe_tensor(value.tensor());
    case Kind::boolean: return value.boolean() ? "bool True" : "bool False";
    case Kind::integer: return "int " + std::to_string(value.integer());
    case Kind::floating: {
      std::ostringstream out;
      out << "float " << value.floating();
      return out.str();
    }
    case Kind::complex: return "complex";
    case Kind::string: {
      const std::string& text = value.string();
      return "str '" + (text.size() > 40 ? text.substr(0, 40) + "...'" : text + "'");
    }
    case Kind::list: return count_of("list", value.size());
    case Kind::tuple: return count_of("tuple", value.size());
    case Kind::dict: return count_of("dict", value.size());
    case Kind::object: return value.object()->type_name;
    case Kind::any: break;
  }
  return "unknown";
}

}  // namespace torchship
