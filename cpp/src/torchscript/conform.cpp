#include "torchscript/conform.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include <ATen/core/ivalue_inl.h>
#include <ATen/core/class_type.h>
#include <ATen/core/jit_type.h>
#include <torchship/error.h>

namespace torchship {
namespace {

/// Walks objects from the module down, each one once.
class Walk {
 public:
  explicit Walk(const std::string& place) : place_(place) {}

  void visit_object(const c10::ivalue::Object& object) {
    if (!seen_.insert(&object).second) return;
    const c10::ClassType& type = *object.type();
    for (std::size_t i = 0; i < type.numAttributes(); ++i) {
      if (i < object.slots().size() && fits(object.slots()[i], *type.getAttribute(i))) continue;
      throw ArchiveError(place_ + ": the attribute '" + type.getAttributeName(i) +
                         "' holds something else than its " + type.getAttribute(i)->annotation_str());
    }
  }

 private:
  /// Numbers, strings and None are looked at again wherever they are used.
  bool fits(const c10::IValue& value, const c10::Type& type) {
    if (value.isNone()) return true;
    switch (type.kind()) {
      case c10::TypeKind::TensorType: return value.isTensor();
      case c10::TypeKind::OptionalType: return fits(value, *type.containedType(0));
      case c10::TypeKind::UnionType:
        return std::any_of(type.containedTypes().begin(), type.containedTypes().end(),
                           [&](const c10::TypePtr& one) { return fits(value, *one); });
      case c10::TypeKind::ListType: return fits_list(value, *type.containedType(0));
      case c10::TypeKind::DictType: return fits_dict(value, type);
      case c10::TypeKind::TupleType: return fits_tuple(value, type);
      case c10::TypeKind::ClassType:
      case c10::TypeKind::InterfaceType: return fits_object(value, type);
      default: return true;
    }
  }

  bool fits_list(const c10::IValue& value, const c10::Type& item) {
    if (!value.isList()) return false;
    const auto items = value.toListRef();
    return std::all_of(items.begin(), items.end(),
                       [&](const c10::IValue& each) { return fits(each, item); });
  }

  bool fits_dict(const c10::IValue& value, const c10::Type& type) {
    if (!value.isGenericDict()) return false;
    for (const auto& entry : value.toGenericDict()) {
      if (!fits(entry.value(), *type.containedType(1))) return false;
    }
    return true;
  }

  bool fits_tuple(const c10::IValue& value, const c10::Type& type) {
    if (!value.isTuple()) return false;
    const auto& items = value.toTupleRef().elements();
    if (items.size() != type.containedTypes().size()) return false;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!fits(items[i], *type.containedType(i))) return false;
    }
    return true;
  }

  bool fits_object(const c10::IValue& value, const c10::Type& type) {
    if (!value.isObject() || !value.type()->isSubtypeOf(type)) return false;
    visit_object(value.toObjectRef());
    return true;
  }

  const std::string& place_;
  std::unordered_set<const c10::ivalue::Object*> seen_;
};

}  // namespace

void require_conforming(const c10::IValue& module, const std::string& place) {
  Walk(place).visit_object(module.toObjectRef());
}

}  // namespace torchship
