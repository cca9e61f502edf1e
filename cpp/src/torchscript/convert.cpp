#include "torchscript/convert.h"

#include <ATen/core/function_schema.h>
#include <torchship/error.h>

#include "object.h"

namespace torchship {
namespace {

struct TorchObject final : Value::Object {
  explicit TorchObject(c10::IValue value)
      : Object(value.type()->annotation_str()), held(std::move(value)) {}

  c10::IValue held;
};

c10::IValue to_list(const Value& value, const c10::TypePtr& item, Take take) {
  c10::impl::GenericList list(item);
  list.reserve(value.size());
  for (const Value& each : value.items()) {
    list.push_back(to_ivalue(each, item, take));
  }
  return list;
}

c10::IValue to_dict(const Value& value, const c10::DictType& type, Take take) {
  c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
  for (const auto& [key, item] : value.entries()) {
    dict.insert_or_assign(to_ivalue(key, type.getKeyType(), take),
                          to_ivalue(item, type.getValueType(), take));
  }
  return dict;
}

c10::IValue to_tuple(const Value& value, const c10::TupleType& type, Take take) {
  std::vector<c10::IValue> items;
  items.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    items.push_back(to_ivalue(value[i], type.elements()[i], take));
  }
  // A named tuple keeps its type, or the model could not ask for its fields.
  return type.schema() ? c10::IValue(c10::ivalue::Tuple::createNamed(
                             std::move(items), std::dynamic_pointer_cast<c10::TupleType>(
                                                   const_cast<c10::TupleType&>(type).shared_from_this())))
                       : c10::IValue(c10::ivalue::Tuple::create(std::move(items)));
}

c10::IValue to_object(const Value& value, const c10::TypePtr& type) {
  const auto* object = dynamic_cast<const TorchObject*>(value.object().get());
  if (object == nullptr || !object->held.type()->isSubtypeOf(*type)) {
    throw SignatureError("expected " + type->annotation_str() + ", got " + describe(value) +
                             " of another model",
                         "objects can only be handed back to the model they came from");
  }
  return object->held;
}

c10::TypePtr natural_type(const Value& value);

/// That of all items, or Any where they differ.
template <typename Items, typename Get>
c10::TypePtr common_type(const Items& items, const Get& get) {
  if (items.empty()) return c10::TensorType::get();
  c10::TypePtr type = natural_type(get(items.front()));
  for (const auto& item : items) {
    if (*natural_type(get(item)) != *type) return c10::AnyType::get();
  }
  return type;
}

/// The type a value has by itself, for arguments that accept anything.
c10::TypePtr natural_type(const Value& value) {
  switch (value.kind()) {
    case Kind::tensor: return c10::TensorType::get();
    case Kind::boolean: return c10::BoolType::get();
    case Kind::integer: return c10::IntType::get();
    case Kind::floating: return c10::FloatType::get();
    case Kind::complex: return c10::ComplexType::get();
    case Kind::string: return c10::StringType::get();
    case Kind::list:
      return c10::ListType::create(
          common_type(value.items(), [](const Value& item) -> const Value& { return item; }));
    case Kind::tuple: {
      std::vector<c10::TypePtr> types;
      for (const Value& item : value.items()) {
        types.push_back(natural_type(item));
      }
      return c10::TupleType::create(std::move(types));
    }
    case Kind::dict: {
      const auto& entries = value.entries();
      return entries.empty()
                 ? c10::DictType::create(c10::StringType::get(), c10::TensorType::get())
                 : c10::DictType::create(natural_type(entries.front().first),
                                         common_type(entries, [](const auto& entry) -> const Value& {
                                           return entry.second;
                                         }));
    }
    default: return c10::AnyType::get();
  }
}

/// Takes the first alternative of a union whose kind is the value's.
c10::IValue to_union(const Value& value, const c10::UnionType& type, Take take) {
  for (const c10::TypePtr& choice : type.containedTypes()) {
    if (natural_type(value)->kind() == choice->kind()) {
      return to_ivalue(value, choice, take);
    }
  }
  return to_ivalue(value, type.containedTypes().front(), take);
}

c10::IValue to_any(const Value& value, Take take) {
  if (value.kind() == Kind::object) {
    return to_object(value, c10::AnyType::get());
  }
  return value.is_none() ? c10::IValue() : to_ivalue(value, natural_type(value), take);
}

double as_double(const Value& value) {
  return value.kind() == Kind::integer ? static_cast<double>(value.integer()) : value.floating();
}

c10::complex<double> as_complex(const Value& value) {
  return value.kind() == Kind::complex ? c10::complex<double>(value.complex()) : as_double(value);
}

}  // namespace

c10::IValue to_ivalue(const Value& value, const c10::TypePtr& type, Take take) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return take(value.tensor());
    case c10::TypeKind::BoolType: return value.boolean();
    case c10::TypeKind::IntType: return value.integer();
    case c10::TypeKind::FloatType: return as_double(value);
    case c10::TypeKind::ComplexType: return as_complex(value);
    case c10::TypeKind::StringType: return value.string();
    case c10::TypeKind::DeviceObjType: return c10::Device(value.string());
    case c10::TypeKind::NoneType: return {};
    case c10::TypeKind::ListType: return to_list(value, type->containedType(0), take);
    case c10::TypeKind::DictType:
      return to_dict(value, type->expectRef<c10::DictType>(), take);
    case c10::TypeKind::TupleType:
      return to_tuple(value, type->expectRef<c10::TupleType>(), take);
    case c10::TypeKind::OptionalType:
      return value.is_none()
                 ? c10::IValue()
                 : to_ivalue(value, type->expectRef<c10::OptionalType>().getElementType(), take);
    case c10::TypeKind::UnionType:
      return value.is_none() ? c10::IValue()
                             : to_union(value, type->expectRef<c10::UnionType>(), take);
    case c10::TypeKind::AnyType:
    case c10::TypeKind::NumberType: return to_any(value, take);
    default: return to_object(value, type);
  }
}

namespace {

using Finish = std::function<at::Tensor(const at::Tensor&)>;

Value from_list(const c10::IValue& result, const Finish& finish) {
  std::vector<Value> items;
  for (const c10::IValue& item : result.toList().vec()) {
    items.push_back(to_value(item, finish));
  }
  return Value::list(std::move(items));
}

Value from_tuple(const c10::ivalue::Tuple& tuple, const Finish& finish) {
  std::vector<Value> items;
  for (const c10::IValue& item : tuple.elements()) {
    items.push_back(to_value(item, finish));
  }
  std::vector<std::string> names;
  if (const auto& schema = tuple.type<c10::TupleType>()->schema()) {
    for (const c10::Argument& field : schema->arguments()) {
      names.push_back(field.name());
    }
  }
  return Value::tuple(std::move(items), std::move(names));
}

Value from_dict(const c10::IValue& result, const Finish& finish) {
  Value::Entries entries;
  for (const auto& entry : result.toGenericDict()) {
    entries.emplace_back(to_value(entry.key(), finish), to_value(entry.value(), finish));
  }
  return Value::dict(std::move(entries));
}

}  // namespace

Value to_value(const c10::IValue& result, const Finish& finish) {
  if (result.isTensor()) {
    // An undefined tensor is LibTorch's None in a tensor's place.
    return result.toTensor().defined() ? Value(finish(result.toTensor())) : Value();
  }
  if (result.isNone()) return {};
  if (result.isBool()) return result.toBool();
  if (result.isInt()) return result.toInt();
  if (result.isDouble()) return result.toDouble();
  if (result.isComplexDouble()) return std::complex<double>(result.toComplexDouble());
  if (result.isString()) return result.toStringRef();
  if (result.isDevice()) return result.toDevice().str();
  if (result.isList()) return from_list(result, finish);
  if (result.isTuple()) return from_tuple(result.toTupleRef(), finish);
  if (result.isGenericDict()) return from_dict(result, finish);
  return Value(std::make_shared<const TorchObject>(result));
}

}  // namespace torchship
