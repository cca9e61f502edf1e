#include "manifest/specs.h"

#include <array>
#include <set>

#include "key_text.h"

namespace torchship {
namespace {

constexpr std::array kDtypes = {
    at::ScalarType::Byte,          at::ScalarType::Char,          at::ScalarType::Short,
    at::ScalarType::Int,           at::ScalarType::Long,          at::ScalarType::UInt16,
    at::ScalarType::UInt32,        at::ScalarType::UInt64,        at::ScalarType::Half,
    at::ScalarType::Float,         at::ScalarType::Double,        at::ScalarType::BFloat16,
    at::ScalarType::ComplexHalf,   at::ScalarType::ComplexFloat,  at::ScalarType::ComplexDouble,
    at::ScalarType::Bool,          at::ScalarType::QInt8,         at::ScalarType::QUInt8,
    at::ScalarType::QInt32,        at::ScalarType::Float8_e4m3fn, at::ScalarType::Float8_e5m2,
    at::ScalarType::Float8_e4m3fnuz, at::ScalarType::Float8_e5m2fnuz,
    at::ScalarType::Float8_e8m0fnu};

struct KindName {
  std::string_view name;
  Kind kind;
};

constexpr std::array<KindName, 10> kKinds = {{{"tensor", Kind::tensor},
                                              {"list", Kind::list},
                                              {"tuple", Kind::tuple},
                                              {"dict", Kind::dict},
                                              {"str", Kind::string},
                                              {"int", Kind::integer},
                                              {"float", Kind::floating},
                                              {"bool", Kind::boolean},
                                              {"none", Kind::none},
                                              {"any", Kind::any}}};

Kind parse_kind(const Field& field) {
  const std::string& name = field.string();
  for (const KindName& each : kKinds) {
    if (each.name == name) return each.kind;
  }
  field.expected("a kind");
}

at::ScalarType parse_dtype(const Field& field) {
  const std::string& name = field.string();
  for (const at::ScalarType dtype : kDtypes) {
    if (to_string(dtype) == name) return dtype;
  }
  field.expected("a dtype");
}

/// A string, number or bool of that kind.
Value parse_plain(const Field& field, Kind kind) {
  switch (kind) {
    case Kind::string: return field.string();
    case Kind::integer: return field.integer();
    case Kind::floating: return field.floating();
    default: return field.boolean();
  }
}

/// A dict's key: JSON tells its kind.
Value parse_key(const Field& field) {
  if (field.is_string()) return field.string();
  if (field.is_boolean()) return field.boolean();
  if (field.is_integer()) return field.integer();
  return field.number();
}

/// The `[key, ...]` pairs of a dict's `entries`, keys being of one kind and none twice.
std::vector<std::pair<Value, Field>> parse_entries(const Field& field) {
  std::vector<std::pair<Value, Field>> entries;
  std::set<std::string> seen;
  for (const Field& pair : field.items()) {
    const std::vector<Field> parts = pair.items();
    if (parts.size() != 2) pair.refuse("expected a key and what it stands for");
    Value key = parse_key(parts[0]);
    if (!entries.empty() && entries.front().first.kind() != key.kind()) {
      parts[0].refuse("is a key of another kind than the first one");
    }
    if (!seen.insert(key_text(key)).second) parts[0].refuse("the key occurs twice");
    entries.emplace_back(std::move(key), parts[1]);
  }
  return entries;
}

DimensionRange parse_dimension(const Field& field) {
  DimensionRange range;
  range.name = field["name"].string();
  if (range.name.empty()) field["name"].refuse("is empty");
  range.min = field["min"].integer(0);
  if (const Field max = field["max"]; !max.is_null()) range.max = max.integer(range.min);
  range.multiple_of = field["multiple_of"].integer(1);
  for (const Field& size : field["tried"].items()) range.tried.push_back(size.integer(0));
  return range;
}

Tolerance parse_tolerance(const Field& field) {
  const auto at_least_0 = [](const Field& number) {
    if (number.number() < 0) number.expected("a number of at least 0");
    return number.number();
  };
  return {.absolute = at_least_0(field["absolute"]), .relative = at_least_0(field["relative"])};
}

/// Reads the specs of one method, whose symbols it knows.
class SpecParser {
 public:
  SpecParser(const std::vector<DimensionRange>& dimensions, bool is_output)
      : dimensions_(dimensions), is_output_(is_output) {}

  ValueSpec parse(const Field& field) const {
    ValueSpec spec;
    spec.kind = parse_kind(field["kind"]);
    switch (spec.kind) {
      case Kind::tensor: parse_tensor(field, spec); break;
      case Kind::list:
      case Kind::tuple: parse_sequence(field, spec); break;
      case Kind::dict: parse_dict(field, spec); break;
      case Kind::none: spec.constant = Value(); break;
      case Kind::any: parse_anything(field, spec); break;
      default:
        if (const auto value = field.find("value")) spec.constant = parse_plain(*value, spec.kind);
    }
    return spec;
  }

 private:
  void parse_tensor(const Field& field, ValueSpec& spec) const {
    spec.dtype = parse_dtype(field["dtype"]);
    spec.shape.emplace();
    for (const Field& size : field["shape"].items()) {
      spec.shape->push_back(parse_size(size));
    }
    if (const auto device = field.find("device")) device->one_of({"cpu", "cuda"});
    if (const auto tolerance = field.find("tolerance")) {
      if (!is_output_) tolerance->refuse("only outputs have one");
      spec.tolerance = parse_tolerance(*tolerance);
    }
  }

  static void parse_anything(const Field& field, ValueSpec& spec) {
    const auto traced = field.find("traced");
    if (!traced) return;
    spec.traced_dtype = parse_dtype((*traced)["dtype"]);
    spec.traced_shape.emplace();
    for (const Field& size : (*traced)["shape"].items()) {
      spec.traced_shape->push_back(size.integer(0));
    }
  }

  Dimension parse_size(const Field& field) const {
    if (field.is_null()) return {};
    if (!field.is_string()) return {.size = field.integer(0), .symbol = -1};
    for (std::size_t i = 0; i < dimensions_.size(); ++i) {
      if (dimensions_[i].name == field.string()) return {.size = -1, .symbol = static_cast<int>(i)};
    }
    field.expected("a symbol of the method's dimensions");
  }

  void parse_sequence(const Field& field, ValueSpec& spec) const {
    spec.members.emplace();
    for (const Field& item : field["items"].items()) spec.members->push_back(parse(item));
    const auto names = field.find("names");
    if (!names || spec.kind != Kind::tuple) return;
    const std::vector<Field> all = names->items();
    if (all.size() != spec.members->size()) {
      names->refuse("expected " + std::to_string(spec.members->size()) + " names, got " +
                    std::to_string(all.size()));
    }
    for (std::size_t i = 0; i < all.size(); ++i) (*spec.members)[i].name = all[i].string();
  }

  void parse_dict(const Field& field, ValueSpec& spec) const {
    spec.members.emplace();
    for (const auto& [key, value] : parse_entries(field["entries"])) {
      if (spec.items.empty()) spec.items.emplace_back().kind = key.kind();
      ValueSpec member = parse(value);
      member.name = key_text(key);
      spec.members->push_back(std::move(member));
    }
  }

  const std::vector<DimensionRange>& dimensions_;
  bool is_output_;
};

ValueSpec parse_input(const Field& field, const SpecParser& parser) {
  ValueSpec input = parser.parse(field);
  input.name = field["name"].string();
  if (input.name.empty()) field["name"].refuse("is empty");
  const auto optional = field.find("optional");
  input.optional = optional && optional->boolean();
  return input;
}

}  // namespace

MethodInfo parse_method(const Field& field) {
  MethodInfo method;
  method.name = field["name"].string();
  std::set<std::string> symbols;
  for (const Field& each : field["dimensions"].items()) {
    method.dimensions.push_back(parse_dimension(each));
    if (!symbols.insert(method.dimensions.back().name).second) each.refuse("the name occurs twice");
  }
  const SpecParser inputs(method.dimensions, /*is_output=*/false);
  std::set<std::string> names;
  for (const Field& each : field["inputs"].items()) {
    method.inputs.push_back(parse_input(each, inputs));
    if (!names.insert(method.inputs.back().name).second) each.refuse("the name occurs twice");
  }
  method.output = SpecParser(method.dimensions, /*is_output=*/true).parse(field["output"]);
  if (const auto name = field["output"].find("name")) method.output.name = name->string();
  return method;
}

SampleValue parse_value(const Field& field) {
  SampleValue value;
  value.kind = parse_kind(field["kind"]);
  switch (value.kind) {
    case Kind::tensor: value.ref = field["ref"].string(); break;
    case Kind::list:
    case Kind::tuple:
      for (const Field& item : field["items"].items()) value.items.push_back(parse_value(item));
      break;
    case Kind::dict:
      for (const auto& [key, item] : parse_entries(field["entries"])) {
        value.keys.push_back(key);
        value.items.push_back(parse_value(item));
      }
      break;
    case Kind::none: break;
    case Kind::any: field["kind"].refuse("a value has a kind of its own, not 'any'");
    default: value.plain = parse_plain(field["value"], value.kind);
  }
  return value;
}

}  // namespace torchship
