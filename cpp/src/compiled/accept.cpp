#include "compiled/accept.h"

#include <algorithm>
#include <string>

#include "few.h"
#include "key_text.h"
#include "plain_tensor.h"

namespace torchship {
namespace {

/// One call's inputs beside what is taken.
class Acceptance {
 public:
  Acceptance(const MethodInfo& taken, TensorList& tensors)
      : taken_(taken), tensors_(tensors), sizes_(taken.dimensions.size(), -1) {}

  bool accept(const ValueSpec& spec, const Value& value) {
    if (spec.constant) return is_same(*spec.constant, value);
    if (spec.kind != value.kind()) return false;
    switch (spec.kind) {
      case Kind::tensor: return accept_tensor(spec, value.tensor());
      case Kind::list:
      case Kind::tuple: return accept_items(*spec.members, value.items());
      case Kind::dict: return accept_entries(*spec.members, value.entries());
      default: return false;
    }
  }

 private:
  static bool is_same(const Value& constant, const Value& value) {
    if (constant.kind() != value.kind()) return false;
    switch (value.kind()) {
      case Kind::none: return true;
      case Kind::boolean: return constant.boolean() == value.boolean();
      case Kind::integer: return constant.integer() == value.integer();
      case Kind::floating: return constant.floating() == value.floating();
      case Kind::string: return constant.string() == value.string();
      default: return false;
    }
  }

  bool accept_tensor(const ValueSpec& spec, const at::Tensor& tensor) {
    if (!tensor.defined() || !is_plain(tensor)) return false;
    // Packages of other makers may not say what they take.
    if (spec.dtype && tensor.scalar_type() != *spec.dtype) return false;
    if (spec.shape && !accept_sizes(*spec.shape, tensor)) return false;
    tensors_.push_back(tensor);
    return true;
  }

  bool accept_sizes(const std::vector<Dimension>& shape, const at::Tensor& tensor) {
    if (static_cast<std::size_t>(tensor.dim()) != shape.size()) return false;
    std::int64_t dimension = 0;
    for (const Dimension& wanted : shape) {
      const std::int64_t size = tensor.size(dimension++);
      if (wanted.symbol < 0 ? wanted.size != size : !bind(wanted.symbol, size)) return false;
    }
    return true;
  }

  bool bind(int symbol, std::int64_t size) {
    const auto index = static_cast<std::size_t>(symbol);
    if (sizes_[index] < 0 && taken_.dimensions[index].contains(size)) sizes_[index] = size;
    return sizes_[index] == size;
  }

  bool accept_items(const std::vector<ValueSpec>& members, const std::vector<Value>& items) {
    if (members.size() != items.size()) return false;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!accept(members[i], items[i])) return false;
    }
    return true;
  }

  bool accept_entries(const std::vector<ValueSpec>& members, const Value::Entries& entries) {
    if (members.size() != entries.size()) return false;
    for (const ValueSpec& member : members) {
      const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& each) {
        return key_text(each.first) == member.name;
      });
      if (entry == entries.end() || !accept(member, entry->second)) return false;
    }
    return true;
  }

  const MethodInfo& taken_;
  TensorList& tensors_;
  Few<std::int64_t, 8> sizes_;  ///< Of each symbol in this call; -1 before it is met.
};

Value key_of(const std::string& text, Kind kind) {
  if (kind == Kind::boolean) return text == "True";
  if (kind == Kind::integer) return std::int64_t{std::stoll(text)};
  if (kind == Kind::floating) return std::stod(text);
  return text;
}

Value build(const ValueSpec& spec, at::Tensor*& next) {
  if (spec.constant) return *spec.constant;
  if (spec.kind == Kind::tensor) return std::move(*next++);
  if (spec.kind == Kind::dict) {
    Value::Entries entries;
    for (const ValueSpec& member : *spec.members) {
      entries.emplace_back(key_of(member.name, spec.items.front().kind), build(member, next));
    }
    return Value::dict(std::move(entries));
  }
  std::vector<Value> items;
  std::vector<std::string> names;
  for (const ValueSpec& member : *spec.members) {
    items.push_back(build(member, next));
    if (!member.name.empty()) names.push_back(member.name);
  }
  if (spec.kind == Kind::list) return Value::list(std::move(items));
  if (names.size() != items.size()) names.clear();
  return Value::tuple(std::move(items), std::move(names));
}

bool covers(const DimensionRange& wide, std::int64_t least, std::int64_t most, bool has_most,
            std::int64_t step) {
  return wide.min <= least && (!wide.max || (has_most && most <= *wide.max)) &&
         step % wide.multiple_of == 0 && least % wide.multiple_of == 0;
}

bool covers(const ValueSpec& wide, const MethodInfo& wide_method, const ValueSpec& other,
            const MethodInfo& other_method) {
  if (wide.kind != other.kind || wide.dtype != other.dtype || !wide.shape != !other.shape) return false;
  const std::size_t dimensions = wide.shape ? wide.shape->size() : 0;
  if (wide.shape && other.shape->size() != dimensions) return false;
  for (std::size_t i = 0; i < dimensions; ++i) {
    const Dimension& taken = (*wide.shape)[i];
    const Dimension& asked = (*other.shape)[i];
    if (taken.symbol < 0) {
      if (asked.symbol >= 0 || asked.size != taken.size) return false;
      continue;
    }
    const DimensionRange& range = wide_method.dimensions[static_cast<std::size_t>(taken.symbol)];
    if (asked.symbol < 0) {
      if (!range.contains(asked.size)) return false;
      continue;
    }
    const DimensionRange& from = other_method.dimensions[static_cast<std::size_t>(asked.symbol)];
    if (!covers(range, from.min, from.max.value_or(0), from.max.has_value(), from.multiple_of)) {
      return false;
    }
  }
  const std::size_t members = wide.members ? wide.members->size() : 0;
  if (members != (other.members ? other.members->size() : 0)) return false;
  for (std::size_t i = 0; i < members; ++i) {
    if (!covers((*wide.members)[i], wide_method, (*other.members)[i], other_method)) return false;
  }
  return true;
}

}  // namespace

bool accept(const MethodInfo& taken, const BoundInputs& inputs, TensorList& tensors) {
  if (inputs.size() != taken.inputs.size()) return false;
  Acceptance acceptance(taken, tensors);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ValueSpec& spec = taken.inputs[i];
    if (inputs[i] == nullptr ? !spec.optional : !acceptance.accept(spec, *inputs[i])) return false;
  }
  return true;
}

Value build_result(const ValueSpec& output, TensorList&& tensors) {
  at::Tensor* next = tensors.data();
  return build(output, next);
}

bool covers(const MethodInfo& wide, const MethodInfo& other) {
  if (wide.inputs.size() != other.inputs.size()) return false;
  for (std::size_t i = 0; i < wide.inputs.size(); ++i) {
    if (!covers(wide.inputs[i], wide, other.inputs[i], other)) return false;
  }
  return true;
}

}  // namespace torchship
