#include "promises.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <torchship/error.h>

#include "few.h"
#include "key_text.h"
#include "kinds.h"
#include "plain_tensor.h"

namespace torchship {
namespace {

/// The size that a symbol has in this call, and the input that says so.
struct Binding {
  std::int64_t size = -1;
  const std::string* input = nullptr;
};

/// One for each symbol.
using Bindings = Few<Binding, 8>;

/// "batch from 1 to 64 and a multiple of 8"
std::string describe_range(const DimensionRange& range) {
  std::string text = range.name;
  text += range.max ? " from " + std::to_string(range.min) + " to " + std::to_string(*range.max)
                    : " at least " + std::to_string(range.min);
  if (range.multiple_of > 1) {
    text += " and a multiple of " + std::to_string(range.multiple_of);
  }
  return text;
}

/// "float32[batch, 3]"
std::string describe_tensor(const ValueSpec& spec, const MethodInfo& method) {
  std::string text = spec.dtype ? std::string(to_string(*spec.dtype)) : "Tensor";
  if (!spec.shape) {
    return text;
  }
  const char* separator = "[";
  for (const Dimension& dimension : *spec.shape) {
    text += separator;
    text += dimension.symbol >= 0 ? method.dimensions[static_cast<std::size_t>(dimension.symbol)].name
            : dimension.size >= 0 ? std::to_string(dimension.size)
                                  : "?";
    separator = ", ";
  }
  return text + (spec.shape->empty() ? "[]" : "]");
}

/// As Python writes it: 'mean', 3, 0.5, True.
std::string literal(const Value& value) {
  return value.kind() == Kind::string ? "'" + value.string() + "'" : key_text(value);
}

double as_double(const Value& value) {
  return value.kind() == Kind::integer ? static_cast<double>(value.integer()) : value.floating();
}

bool same(const Value& constant, const Value& given) {
  switch (given.kind()) {
    case Kind::none: return constant.is_none();
    case Kind::string: return constant.kind() == Kind::string && constant.string() == given.string();
    case Kind::boolean:
      return constant.kind() == Kind::boolean && constant.boolean() == given.boolean();
    case Kind::integer:
      if (constant.kind() == Kind::integer) {
        return constant.integer() == given.integer();
      }
      [[fallthrough]];
    case Kind::floating: {
      if (constant.kind() != Kind::integer && constant.kind() != Kind::floating) {
        return false;
      }
      const double wanted = as_double(constant);
      const double number = as_double(given);
      return wanted == number || (std::isnan(wanted) && std::isnan(number));
    }
    default: return false;
  }
}

bool is_named(const Value& key, const std::string& name) {
  return key.kind() == Kind::string ? key.string() == name : key_text(key) == name;
}

std::string names_of(const std::vector<ValueSpec>& members) {
  std::string names;
  for (const ValueSpec& member : members) {
    names += (names.empty() ? "'" : ", '") + member.name + "'";
  }
  return names.empty() ? "none" : names;
}

/// "x" for an input, nothing for a value inside one: what a hint calls the value.
std::string handle(const Place& place) { return place.is_input() ? place.input() : ""; }

/// How Python turns a tensor into that dtype.
std::string conversion(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return ".float()";
    case at::kDouble: return ".double()";
    case at::kHalf: return ".half()";
    case at::kBFloat16: return ".bfloat16()";
    case at::kLong: return ".long()";
    case at::kInt: return ".int()";
    case at::kBool: return ".bool()";
    default: return ".to(torch." + std::string(to_string(dtype)) + ")";
  }
}

/// The check of one call.
class Promises {
 public:
  Promises(const std::string& model, const MethodInfo& method)
      : model_(model), method_(method), bindings_(method.dimensions.size()) {}

  void check_input(const ValueSpec& spec, const Value& value) {
    check(spec, value, Place(model_, method_.name, spec.name));
  }

  /// After all inputs: sizes that follow from others.
  void check_relations() const {
    for (std::size_t i = 0; i < method_.dimensions.size(); ++i) {
      const DimensionRange& range = method_.dimensions[i];
      if (!range.relation || bindings_[i].input == nullptr) continue;
      const DimensionRange::Relation& relation = *range.relation;
      const Binding& base = bindings_[relation.symbol];
      std::int64_t wanted = 0;
      if (base.input == nullptr ||
          __builtin_mul_overflow(relation.factor, base.size, &wanted) ||
          __builtin_add_overflow(wanted, relation.offset, &wanted) ||
          wanted == bindings_[i].size) {
        continue;
      }
      throw SignatureError(
          model_ + ": " + method_.name + ": input '" + *bindings_[i].input + "': a size must be " +
              range.name + " = " + std::to_string(wanted) + ", got " +
              std::to_string(bindings_[i].size),
          method_.dimensions[relation.symbol].name + " is " + std::to_string(base.size) + " in '" +
              *base.input + "'");
    }
  }

 private:
  void check(const ValueSpec& spec, const Value& value, const Place& place) {
    if (value.is_none() && spec.optional) {
      return;
    }
    const bool is_constant_none = spec.constant && spec.constant->is_none();
    if (!is_constant_none && !fits(spec.kind, value.kind())) {
      refuse_kind(spec, value, place);
    }
    if (spec.constant && !same(*spec.constant, value)) {
      throw SignatureError(place.text() + ": the model was traced with " + literal(*spec.constant) +
                               " and knows no other value, got " + literal(value),
                           "trace the model again with the value that is wanted");
    }
    if (is_constant_none) {
      return;
    }
    if (spec.kind == Kind::tensor) {
      check_tensor(spec, value, place);
    } else if (spec.members && spec.kind == Kind::dict) {
      check_entries(*spec.members, value, place);
    } else if (spec.members) {
      check_items(spec, value, place);
    }
  }

  void check_items(const ValueSpec& spec, const Value& value, const Place& place) {
    const std::vector<ValueSpec>& members = *spec.members;
    if (value.size() != members.size()) {
      throw SignatureError(place.text() + ": expected a " + std::string(to_string(spec.kind)) +
                               " of " + std::to_string(members.size()) + ", got " + describe(value),
                           "the model was traced with this number of items and takes no other");
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      check(members[i], value[i], place.item(i));
    }
  }

  void check_entries(const std::vector<ValueSpec>& members, const Value& value,
                     const Place& place) {
    const Value::Entries& entries = value.entries();
    for (const ValueSpec& member : members) {
      const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& candidate) {
        return is_named(candidate.first, member.name);
      });
      if (entry == entries.end()) {
        throw SignatureError(place.text() + ": the key '" + member.name + "' is missing",
                             "its keys are " + names_of(members));
      }
      check(member, entry->second, place.entry(entry->first));
    }
    if (entries.size() > members.size()) {
      refuse_unknown_key(members, entries, place);
    }
  }

  [[noreturn]] static void refuse_unknown_key(const std::vector<ValueSpec>& members,
                                              const Value::Entries& entries, const Place& place) {
    for (const auto& [key, item] : entries) {
      if (std::none_of(members.begin(), members.end(),
                       [&key = key](const ValueSpec& member) { return is_named(key, member.name); })) {
        throw SignatureError(place.text() + ": unknown key " + literal(key),
                             "its keys are " + names_of(members));
      }
    }
    throw SignatureError(place.text() + ": a key is given twice");
  }

  void check_tensor(const ValueSpec& spec, const Value& value, const Place& place) {
    const at::Tensor& tensor = value.tensor();
    if (!spec.dtype && !spec.shape) {
      return;
    }
    if (!is_plain(tensor)) {
      refuse_layout(spec, value, place);
    }
    if (!(spec.dtype && tensor.scalar_type() != *spec.dtype) && agrees(spec, tensor, place)) {
      return;
    }
    refuse_tensor(spec, value, place);
  }

  /// Whether the sizes are the promised ones; symbols that have no size yet get one.
  bool agrees(const ValueSpec& spec, const at::Tensor& tensor, const Place& place) {
    if (!spec.shape) {
      return true;
    }
    const at::IntArrayRef sizes = tensor.sizes();
    if (sizes.size() != spec.shape->size()) {
      return false;
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const Dimension& dimension = (*spec.shape)[i];
      if (dimension.symbol < 0 ? dimension.size >= 0 && dimension.size != sizes[i]
                               : !bind(dimension, sizes[i], place)) {
        return false;
      }
    }
    return true;
  }

  bool bind(const Dimension& dimension, std::int64_t size, const Place& place) {
    const auto symbol = static_cast<std::size_t>(dimension.symbol);
    Binding& binding = bindings_[symbol];
    if (binding.input != nullptr) {
      return binding.size == size;
    }
    if (!method_.dimensions[symbol].contains(size)) {
      return false;
    }
    binding = {size, &place.input()};
    return true;
  }

  [[noreturn]] void refuse_layout(const ValueSpec& spec, const Value& value,
                                  const Place& place) const {
    const bool quantised = value.tensor().is_quantized();
    throw SignatureError(place.text() + ": expected a plain " + describe_tensor(spec, method_) +
                             ", got " + describe(value),
                         "convert it: " + handle(place) +
                             (quantised                    ? ".dequantize()"
                              : value.tensor().is_nested() ? ".to_padded_tensor(0)"
                                                           : ".to_dense()"));
  }

  [[noreturn]] void refuse_tensor(const ValueSpec& spec, const Value& value,
                                  const Place& place) const {
    const at::Tensor& tensor = value.tensor();
    std::string conditions;
    std::string hint;
    const auto add = [](std::string& text, const char* separator, const std::string& more) {
      text += (text.empty() ? "" : separator) + more;
    };
    if (spec.dtype && tensor.scalar_type() != *spec.dtype) {
      add(hint, "; ", "convert it: " + handle(place) + conversion(*spec.dtype));
    }
    if (spec.shape && tensor.sizes().size() != spec.shape->size()) {
      add(hint, "; ", "reshape it to " + std::to_string(spec.shape->size()) + " dimensions");
    } else if (spec.shape) {
      for (const std::string& condition : broken_conditions(spec, tensor)) {
        add(conditions, ", ", condition);
      }
      add_shape_hint(spec, tensor, hint);
    }
    throw SignatureError(place.text() + ": expected " + describe_tensor(spec, method_) +
                             (conditions.empty() ? "" : " with " + conditions) + ", got " +
                             describe(value),
                         hint);
  }

  /// "B=2 from 'ids'", "T from 1 to 64": what the sizes of the symbols fail to be.
  std::vector<std::string> broken_conditions(const ValueSpec& spec,
                                             const at::Tensor& tensor) const {
    std::vector<std::string> conditions;
    for (std::size_t i = 0; i < spec.shape->size(); ++i) {
      const int symbol = (*spec.shape)[i].symbol;
      const std::int64_t size = tensor.sizes()[i];
      if (symbol < 0) {
        continue;
      }
      const Binding& binding = bindings_[static_cast<std::size_t>(symbol)];
      const DimensionRange& range = method_.dimensions[static_cast<std::size_t>(symbol)];
      if (binding.input != nullptr && binding.size != size) {
        conditions.push_back(range.name + "=" + std::to_string(binding.size) + " from '" +
                             *binding.input + "'");
      } else if (binding.input == nullptr && !range.contains(size)) {
        conditions.push_back(describe_range(range));
      }
    }
    return conditions;
  }

  void add_shape_hint(const ValueSpec& spec, const at::Tensor& tensor, std::string& hint) const {
    bool fixed = false;
    bool ranged = false;
    for (std::size_t i = 0; i < spec.shape->size(); ++i) {
      const Dimension& dimension = (*spec.shape)[i];
      const std::int64_t size = tensor.sizes()[i];
      fixed = fixed || (dimension.symbol < 0 && dimension.size >= 0 && dimension.size != size);
      ranged = ranged ||
               (dimension.symbol >= 0 &&
                !method_.dimensions[static_cast<std::size_t>(dimension.symbol)].contains(size));
    }
    if (fixed || ranged) {
      hint += hint.empty() ? "" : "; ";
      hint += fixed ? "the model was traced with fixed sizes; reshape the tensor, or trace again "
                      "with dynamic=... for sizes that vary"
                    : "other sizes were not proven; trace again with dynamic=... to widen the range";
    }
  }

  const std::string& model_;
  const MethodInfo& method_;
  Bindings bindings_;
};

}  // namespace

void require_promises(const std::string& model, const MethodInfo& method,
                      const BoundInputs& inputs) {
  Promises promises(model, method);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] != nullptr) {
      promises.check_input(method.inputs[i], *inputs[i]);
    }
  }
  promises.check_relations();
}

}  // namespace torchship
