#include "signature.h"

#include <algorithm>
#include <string>

#include <torchship/error.h>

namespace torchship {
namespace {

/// Where in the inputs a value stands, for messages: "input 'x'[2]['mask']".
struct Place {
  const Place* parent = nullptr;
  std::string step;

  std::string text() const { return (parent != nullptr ? parent->text() : "") + step; }
};

void check(const ValueSpec& spec, const Value& value, const Place& place);

[[noreturn]] void refuse(const ValueSpec& spec, const Value& value, const Place& place) {
  std::string hint;
  if (spec.kind == Kind::tensor && value.kind() != Kind::none) {
    hint = "this argument takes a tensor; make one of the value first";
  } else if (spec.kind != Kind::any && value.is_tensor()) {
    hint = "this argument takes a plain value, not a tensor";
  }
  throw SignatureError(place.text() + ": expected " + spec.type + ", got " + describe(value), hint);
}

bool is_number(Kind kind) {
  return kind == Kind::boolean || kind == Kind::integer || kind == Kind::floating ||
         kind == Kind::complex;
}

/// Kinds that TorchScript converts without loss of meaning: an int where a float is asked.
bool fits(Kind wanted, Kind given) {
  if (wanted == given || wanted == Kind::any) {
    return true;
  }
  return (wanted == Kind::floating && given == Kind::integer) ||
         (wanted == Kind::complex && is_number(given) && given != Kind::boolean);
}

bool matches(const ValueSpec& spec, const Value& value) {
  try {
    check(spec, value, Place{});
    return true;
  } catch (const SignatureError&) {
    return false;
  }
}

void check_tuple(const ValueSpec& spec, const Value& value, const Place& place) {
  if (value.size() != spec.items.size()) {
    throw SignatureError(place.text() + ": expected " + spec.type + ", a tuple of " +
                         std::to_string(spec.items.size()) + ", got " + describe(value));
  }
  for (std::size_t i = 0; i < spec.items.size(); ++i) {
    check(spec.items[i], value[i], Place{&place, "[" + std::to_string(i) + "]"});
  }
}

void check_dict(const ValueSpec& spec, const Value& value, const Place& place) {
  for (const auto& [key, item] : value.entries()) {
    check(spec.items[0], key, Place{&place, " key"});
    const std::string step =
        key.kind() == Kind::string ? "['" + key.string() + "']" : "[" + describe(key) + "]";
    check(spec.items[1], item, Place{&place, step});
  }
}

void check(const ValueSpec& spec, const Value& value, const Place& place) {
  if (value.is_none() && spec.optional) {
    return;
  }
  if (!fits(spec.kind, value.kind())) {
    refuse(spec, value, place);
  }
  if (value.is_tensor() && !value.tensor().defined()) {
    throw SignatureError(place.text() + ": the tensor is undefined",
                         "pass None where the argument is optional");
  }
  if (value.is_tensor() && value.tensor().is_meta()) {
    throw SignatureError(place.text() + ": the tensor is on the meta device and holds no data");
  }
  switch (spec.kind) {
    case Kind::list:
      for (std::size_t i = 0; i < value.size(); ++i) {
        check(spec.items[0], value[i], Place{&place, "[" + std::to_string(i) + "]"});
      }
      break;
    case Kind::tuple: check_tuple(spec, value, place); break;
    case Kind::dict: check_dict(spec, value, place); break;
    case Kind::any:
      if (!spec.items.empty() &&
          std::none_of(spec.items.begin(), spec.items.end(),
                       [&](const ValueSpec& choice) { return matches(choice, value); })) {
        refuse(spec, value, place);
      }
      break;
    default: break;
  }
}

std::string plural(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string usage(const MethodInfo& method) { return "the method is " + to_string(method); }

std::size_t index_of(const std::string& place, const MethodInfo& method, const std::string& name) {
  for (std::size_t i = 0; i < method.inputs.size(); ++i) {
    if (method.inputs[i].name == name) {
      return i;
    }
  }
  throw SignatureError(place + ": has no input named '" + name + "'", usage(method));
}

/// The common case of one plain tensor, which needs no text for messages.
bool is_plain_tensor(const ValueSpec& spec, const Value& value) {
  return spec.kind == Kind::tensor && value.is_tensor() && value.tensor().defined() &&
         !value.tensor().is_meta();
}

BoundInputs arrange(const std::string& place, const MethodInfo& method,
                    const std::vector<Value>& positional, const NamedValues& named) {
  if (positional.size() > method.inputs.size()) {
    throw SignatureError(place + ": takes " + plural(method.inputs.size(), "input") + ", got " +
                             std::to_string(positional.size()),
                         usage(method));
  }
  BoundInputs bound(method.inputs.size(), nullptr);
  for (std::size_t i = 0; i < positional.size(); ++i) {
    bound[i] = &positional[i];
  }
  for (const auto& [name, value] : named) {
    const Value*& slot = bound[index_of(place, method, name)];
    if (slot != nullptr) {
      throw SignatureError(place + ": input '" + name + "' was given twice");
    }
    slot = &value;
  }
  return bound;
}

}  // namespace

BoundInputs bind_inputs(const std::string& model, const MethodInfo& method,
                        const std::vector<Value>& positional, const NamedValues& named) {
  const auto place = [&] { return model + ": " + method.name; };
  const bool simple = named.empty() && positional.size() <= method.inputs.size();
  BoundInputs bound = arrange(simple ? std::string() : place(), method, positional, named);
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const ValueSpec& spec = method.inputs[i];
    if (bound[i] == nullptr && !spec.has_default) {
      throw SignatureError(place() + ": input '" + spec.name + "' (" + spec.type + ") is missing",
                           usage(method));
    }
    if (bound[i] != nullptr && !is_plain_tensor(spec, *bound[i])) {
      check(spec, *bound[i], Place{nullptr, place() + ": input '" + spec.name + "'"});
    }
  }
  return bound;
}

}  // namespace torchship
