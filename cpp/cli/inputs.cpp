#include "inputs.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>
#include <torchship/tensor_file.h>

#include "usage_error.h"

namespace torchship::cli {
namespace {

using nlohmann::json;

/// One input as it is being read: what messages call it, what it must be, and its dtype if given.
struct Target {
  std::string name;
  ValueSpec spec;
  std::optional<at::ScalarType> dtype;
};

[[noreturn]] void refuse(const Target& target, const std::string& why,
                         const std::string& hint = {}) {
  throw UsageError("input '" + target.name + "': " + why, hint);
}

constexpr at::ScalarType kDtypes[] = {
    at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
    at::kShort, at::kChar,   at::kByte, at::kBool,     at::kComplexFloat, at::kComplexDouble};

at::ScalarType parse_dtype(const std::string& input, const std::string& name) {
  std::string known;
  for (const at::ScalarType dtype : kDtypes) {
    if (to_string(dtype) == name) {
      return dtype;
    }
    known += (known.empty() ? "" : ", ") + std::string(to_string(dtype));
  }
  throw UsageError("input '" + input + "': unknown dtype '" + name + "'", "one of " + known);
}

// --- Tensors -----------------------------------------------------------------------------------

/// The sizes of nested arrays, checked by fill() to be the same everywhere.
std::vector<std::int64_t> shape_of(const json& numbers) {
  std::vector<std::int64_t> shape;
  for (const json* level = &numbers; level->is_array(); level = &level->front()) {
    shape.push_back(static_cast<std::int64_t>(level->size()));
    if (level->empty()) {
      break;
    }
  }
  return shape;
}

/// Appends the numbers of nested arrays of one given shape.
void collect(const Target& target, const json& numbers, const std::vector<std::int64_t>& shape,
             std::size_t depth, std::vector<json>& out) {
  const bool is_leaf = depth == shape.size();
  if (is_leaf ? numbers.is_array()
              : !numbers.is_array() || static_cast<std::int64_t>(numbers.size()) != shape[depth]) {
    refuse(target, "the rows of a tensor must have the same length");
  }
  if (!is_leaf) {
    for (const json& row : numbers) {
      collect(target, row, shape, depth + 1, out);
    }
  } else if (numbers.is_boolean() || numbers.is_number()) {
    out.push_back(numbers);
  } else {
    refuse(target, "a tensor holds numbers, not " + numbers.dump());
  }
}

struct Range {
  std::int64_t lowest;
  std::int64_t highest;
};

Range range_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBool: return {0, 1};
    case at::kByte: return {0, 255};
    case at::kChar: return {-128, 127};
    case at::kShort: return {-32768, 32767};
    case at::kInt: return {std::numeric_limits<int>::min(), std::numeric_limits<int>::max()};
    default:
      return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
  }
}

std::int64_t integer_of(const Target& target, const json& number, at::ScalarType dtype) {
  if (number.is_boolean()) {
    return number.get<bool>() ? 1 : 0;
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const double value = number.get<double>();
  const bool is_whole = number.is_number_integer() ||
                        (std::abs(value) <= kExact && value == std::trunc(value));
  const bool is_too_large = number.is_number_unsigned() &&
                            number.get<std::uint64_t>() >
                                static_cast<std::uint64_t>(range_of(dtype).highest);
  const std::int64_t integer =
      number.is_number_integer() ? number.get<std::int64_t>()
                                 : (is_whole ? static_cast<std::int64_t>(value) : 0);
  const Range range = range_of(dtype);
  if (!is_whole || is_too_large || integer < range.lowest || integer > range.highest) {
    refuse(target, "the tensor is " + std::string(to_string(dtype)) + ", which cannot hold " +
                       number.dump());
  }
  return integer;
}

bool all_booleans(const json& numbers) {
  return numbers.is_array()
             ? !numbers.empty() && std::all_of(numbers.begin(), numbers.end(), all_booleans)
             : numbers.is_boolean();
}

Value tensor_of(const Target& target, const json& numbers) {
  const at::ScalarType dtype =
      target.dtype ? *target.dtype
                   : target.spec.traced_dtype.value_or(all_booleans(numbers) ? at::kBool
                                                                             : at::kFloat);
  const std::vector<std::int64_t> shape = shape_of(numbers);
  std::vector<json> numbers_in_order;
  collect(target, numbers, shape, 0, numbers_in_order);
  if (at::isIntegralType(dtype, /*includeBool=*/true)) {
    at::Tensor tensor = at::empty(shape, at::kLong);
    std::transform(numbers_in_order.begin(), numbers_in_order.end(),
                   tensor.mutable_data_ptr<std::int64_t>(),
                   [&](const json& number) { return integer_of(target, number, dtype); });
    return tensor.to(dtype);
  }
  at::Tensor tensor = at::empty(shape, at::kDouble);
  std::transform(
      numbers_in_order.begin(), numbers_in_order.end(), tensor.mutable_data_ptr<double>(),
      [](const json& number) { return number.is_boolean() ? double(number.get<bool>())
                                                          : number.get<double>(); });
  return tensor.to(dtype);
}

at::Tensor tensor_from_file(const Target& target, const std::string& argument) {
  std::filesystem::path file = argument;
  std::string key = target.name;
  bool keyed = false;
  const std::size_t colon = argument.rfind(':');
  if (!std::filesystem::exists(file) && colon != std::string::npos) {
    file = argument.substr(0, colon);
    key = argument.substr(colon + 1);
    keyed = true;
  }
  const NamedTensors tensors = read_tensors(file);
  std::string names;
  for (const auto& [name, tensor] : tensors) {
    if (name == key || (tensors.size() == 1 && !keyed)) {
      return target.dtype ? tensor.to(*target.dtype) : tensor;
    }
    names += (names.empty() ? "" : ", ") + name;
  }
  refuse(target, file.string() + " has no tensor '" + key + "'", "it has " + names);
}

// --- Everything else ---------------------------------------------------------------------------

json parse_json(const Target& target, const std::string& text) {
  try {
    return json::parse(text);
  } catch (const json::exception&) {
    refuse(target, "cannot read '" + text + "' as " + target.spec.type,
           "write numbers as 1,2,3, nested values as JSON: [[1,2],[3,4]] or {\"key\": [1]}");
  }
}

Value natural(const json& value);

std::vector<Value> natural_items(const json& array) {
  std::vector<Value> items;
  for (const json& item : array) {
    items.push_back(natural(item));
  }
  return items;
}

/// A value for an argument that takes anything.
Value natural(const json& value) {
  if (value.is_null()) return {};
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return Value::list(natural_items(value));
  Value::Entries entries;
  for (const auto& [key, item] : value.items()) {
    entries.emplace_back(key, natural(item));
  }
  return Value::dict(std::move(entries));
}

Value from_json(const Target& target, const json& value);

/// The same target for a value inside it.
Target inside(const Target& target, const ValueSpec& spec, const std::string& step) {
  return Target{target.name + step, spec, target.dtype};
}

Value key_of(const Target& target, const ValueSpec& spec, const std::string& key) {
  const bool is_text = spec.kind == Kind::string;
  return is_text ? Value(key) : from_json(inside(target, spec, " key"), parse_json(target, key));
}

Value container_of(const Target& target, const json& value) {
  const ValueSpec& spec = target.spec;
  if (spec.kind == Kind::dict) {
    Value::Entries entries;
    for (const auto& [key, item] : value.items()) {
      entries.emplace_back(key_of(target, spec.items[0], key),
                           from_json(inside(target, spec.items[1], "." + key), item));
    }
    return Value::dict(std::move(entries));
  }
  std::vector<Value> items;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::size_t which = spec.kind == Kind::list ? 0 : i;
    if (which >= spec.items.size()) {
      refuse(target, "expected " + spec.type + ", got " + std::to_string(value.size()) + " items");
    }
    items.push_back(
        from_json(inside(target, spec.items[which], "[" + std::to_string(i) + "]"), value[i]));
  }
  return spec.kind == Kind::list ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Value from_json(const Target& target, const json& value) {
  switch (target.spec.kind) {
    case Kind::tensor:
      if (value.is_string() && value.get<std::string>().starts_with('@')) {
        return tensor_from_file(target, value.get<std::string>().substr(1));
      }
      return value.is_null() ? Value() : tensor_of(target, value);
    case Kind::list:
    case Kind::tuple:
      return value.is_array() ? container_of(target, value) : natural(value);
    case Kind::dict: return value.is_object() ? container_of(target, value) : natural(value);
    default: return natural(value);
  }
}

Value from_text(const Target& target, const std::string& text) {
  const Kind kind = target.spec.kind;
  if (target.spec.optional && (text == "none" || text == "None")) {
    return {};
  }
  if (text.starts_with('@')) {
    return tensor_from_file(target, text.substr(1));
  }
  if (kind == Kind::string) {
    return text;
  }
  if (kind == Kind::boolean && (text == "True" || text == "False")) {
    return text == "True";
  }
  const bool bare_list = (kind == Kind::tensor || kind == Kind::list || kind == Kind::tuple) &&
                         text.find(',') != std::string::npos &&
                         text.find_first_not_of(" \t") != text.find('[');
  return from_json(target, parse_json(target, bare_list ? "[" + text + "]" : text));
}

void add_file(const std::string& file, NamedValues& inputs) {
  for (const auto& [name, tensor] : read_tensors(file)) {
    if (name.empty()) {
      throw UsageError(file + ": a .npy file has no names", "give it as NAME=@" + file);
    }
    inputs.emplace_back(name, tensor);
  }
}

}  // namespace

NamedValues parse_inputs(const MethodInfo& method, const std::vector<std::string>& arguments) {
  NamedValues inputs;
  for (const std::string& argument : arguments) {
    if (argument.starts_with('@')) {
      add_file(argument.substr(1), inputs);
      continue;
    }
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw UsageError("input '" + argument + "' is not of the form NAME=VALUE",
                       "the method is " + to_string(method));
    }
    std::string name = argument.substr(0, equals);
    Target target;
    if (const std::size_t colon = name.find(':'); colon != std::string::npos) {
      target.dtype = parse_dtype(name.substr(0, colon), name.substr(colon + 1));
      name.resize(colon);
    }
    target.name = name;
    target.spec.kind = Kind::tensor;  // An unknown name is refused by the model, in its own words.
    for (const ValueSpec& spec : method.inputs) {
      if (spec.name == name) {
        target.spec = spec;
      }
    }
    inputs.emplace_back(name, from_text(target, argument.substr(equals + 1)));
  }
  return inputs;
}

}  // namespace torchship::cli
