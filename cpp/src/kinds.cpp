#include "kinds.h"

#include <algorithm>
#include <string>

#include <torchship/error.h>

namespace torchship {
namespace {

bool is_number(Kind kind) {
  return kind == Kind::boolean || kind == Kind::integer || kind == Kind::floating ||
         kind == Kind::complex;
}

bool matches(const ValueSpec& spec, const Value& value, const Place& place) {
  try {
    require_kinds(spec, value, place);
    return true;
  } catch (const SignatureError&) {
    return false;
  }
}

void require_data(const at::Tensor& tensor, const Place& place) {
  if (!tensor.defined()) {
    throw SignatureError(place.text() + ": the tensor is undefined",
                         "pass None where the argument is optional");
  }
  if (tensor.is_meta()) {
    throw SignatureError(place.text() + ": the tensor is on the meta device and holds no data");
  }
}

void require_tuple(const ValueSpec& spec, const Value& value, const Place& place) {
  if (value.size() != spec.items.size()) {
    throw SignatureError(place.text() + ": expected " + spec.type + ", a tuple of " +
                         std::to_string(spec.items.size()) + ", got " + describe(value));
  }
  for (std::size_t i = 0; i < spec.items.size(); ++i) {
    require_kinds(spec.items[i], value[i], place.item(i));
  }
}

void require_union(const ValueSpec& spec, const Value& value, const Place& place) {
  if (!spec.items.empty() &&
      std::none_of(spec.items.begin(), spec.items.end(),
                   [&](const ValueSpec& choice) { return matches(choice, value, place); })) {
    refuse_kind(spec, value, place);
  }
}

}  // namespace

bool fits(Kind wanted, Kind given) noexcept {
  if (wanted == given || wanted == Kind::any) {
    return true;
  }
  return (wanted == Kind::floating && given == Kind::integer) ||
         (wanted == Kind::complex && is_number(given) && given != Kind::boolean);
}

void refuse_kind(const ValueSpec& spec, const Value& value, const Place& place) {
  std::string hint;
  if (spec.kind == Kind::tensor && value.kind() != Kind::none) {
    hint = "this argument takes a tensor; make one of the value first";
  } else if (spec.kind != Kind::any && value.is_tensor()) {
    hint = "this argument takes a plain value, not a tensor";
  }
  const std::string wanted = spec.type.empty() ? std::string(to_string(spec.kind)) : spec.type;
  throw SignatureError(place.text() + ": expected " + wanted + ", got " + describe(value), hint);
}

void require_kinds(const ValueSpec& spec, const Value& value, const Place& place) {
  if (value.is_none() && spec.optional) {
    return;
  }
  if (!fits(spec.kind, value.kind())) {
    refuse_kind(spec, value, place);
  }
  if (value.is_tensor()) {
    require_data(value.tensor(), place);
  }
  switch (spec.kind) {
    case Kind::list:
      for (std::size_t i = 0; i < value.size(); ++i) {
        require_kinds(spec.items[0], value[i], place.item(i));
      }
      break;
    case Kind::tuple: require_tuple(spec, value, place); break;
    case Kind::dict:
      for (const auto& [key, item] : value.entries()) {
        require_kinds(spec.items[0], key, place.key());
        require_kinds(spec.items[1], item, place.entry(key));
      }
      break;
    case Kind::any: require_union(spec, value, place); break;
    default: break;
  }
}

}  // namespace torchship
