#include "torchscript/types.h"

#include <ATen/core/function_schema.h>

namespace torchship {
namespace {

void describe_items(ValueSpec& spec, const c10::ArrayRef<c10::TypePtr>& types) {
  for (const c10::TypePtr& type : types) {
    spec.items.push_back(spec_of(type, {}));
  }
}

void describe_tuple(ValueSpec& spec, const c10::TupleType& tuple) {
  spec.kind = Kind::tuple;
  describe_items(spec, tuple.elements());
  if (tuple.schema()) {
    const std::vector<c10::Argument>& fields = tuple.schema()->arguments();
    for (std::size_t i = 0; i < spec.items.size(); ++i) {
      spec.items[i].name = fields[i].name();
    }
  }
}

void describe_optional(ValueSpec& spec, const c10::OptionalType& type) {
  const std::string spelling = std::move(spec.type);
  spec = spec_of(type.getElementType(), std::move(spec.name));
  spec.type = spelling;
  spec.optional = true;
}

/// LibTorch's wildcard for numbers: the `Scalar` of operators.
void describe_number(ValueSpec& spec) {
  describe_items(spec, {c10::IntType::get(), c10::FloatType::get(), c10::ComplexType::get(),
                        c10::BoolType::get()});
}

}  // namespace

namespace {

c10::TypePtr tuple_type(const ValueSpec& spec) {
  std::vector<c10::TypePtr> types;
  std::vector<std::string> names;
  for (const ValueSpec& item : spec.items) {
    types.push_back(type_of(item));
    if (!item.name.empty()) names.push_back(item.name);
  }
  if (types.empty() || spec.type.empty() || names.size() != types.size()) return c10::TupleType::create(types);
  return c10::TupleType::createNamed("__torch__." + spec.type, names, types);
}

}  // namespace

c10::TypePtr type_of(const ValueSpec& spec) {
  switch (spec.kind) {
    case Kind::tensor: return c10::TensorType::get();
    case Kind::boolean: return c10::BoolType::get();
    case Kind::integer: return c10::IntType::get();
    case Kind::floating: return c10::FloatType::get();
    case Kind::complex: return c10::ComplexType::get();
    case Kind::string: return c10::StringType::get();
    case Kind::none: return c10::NoneType::get();
    case Kind::list: return c10::ListType::create(type_of(spec.items.at(0)));
    case Kind::dict:
      return c10::DictType::create(type_of(spec.items.at(0)), type_of(spec.items.at(1)));
    case Kind::tuple: return tuple_type(spec);
    default: return c10::AnyType::get();
  }
}

ValueSpec spec_of(const c10::TypePtr& type, std::string name) {
  ValueSpec spec;
  spec.name = std::move(name);
  spec.type = type->annotation_str();
  switch (type->kind()) {
    case c10::TypeKind::TensorType: spec.kind = Kind::tensor; break;
    case c10::TypeKind::BoolType: spec.kind = Kind::boolean; break;
    case c10::TypeKind::IntType: spec.kind = Kind::integer; break;
    case c10::TypeKind::FloatType: spec.kind = Kind::floating; break;
    case c10::TypeKind::ComplexType: spec.kind = Kind::complex; break;
    case c10::TypeKind::StringType:
    case c10::TypeKind::DeviceObjType: spec.kind = Kind::string; break;
    case c10::TypeKind::NoneType:
      spec.kind = Kind::none;
      spec.type = "None";
      break;
    case c10::TypeKind::ListType:
      spec.kind = Kind::list;
      describe_items(spec, type->containedTypes());
      break;
    case c10::TypeKind::DictType:
      spec.kind = Kind::dict;
      describe_items(spec, type->containedTypes());
      break;
    case c10::TypeKind::TupleType:
      describe_tuple(spec, type->expectRef<c10::TupleType>());
      break;
    case c10::TypeKind::OptionalType:
      describe_optional(spec, type->expectRef<c10::OptionalType>());
      break;
    case c10::TypeKind::UnionType: describe_items(spec, type->containedTypes()); break;
    case c10::TypeKind::NumberType: describe_number(spec); break;
    case c10::TypeKind::AnyType: break;
    default: spec.kind = Kind::object; break;
  }
  return spec;
}

}  // namespace torchship
