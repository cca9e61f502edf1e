#include "signature.h"

#include <string>

#include <torchship/error.h>

#include "kinds.h"

namespace torchship {
namespace {

std::string plural(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string usage(const MethodInfo& method) { return "the method is " + to_string(method); }

std::string place_of(const std::string& model, const MethodInfo& method) {
  return model + ": " + method.name;
}

std::size_t index_of(const std::string& model, const MethodInfo& method, const std::string& name) {
  for (std::size_t i = 0; i < method.inputs.size(); ++i) {
    if (method.inputs[i].name == name) {
      return i;
    }
  }
  throw SignatureError(place_of(model, method) + ": has no input named '" + name + "'",
                       usage(method));
}

BoundInputs arrange(const std::string& model, const MethodInfo& method,
                    const std::vector<Value>& positional, const NamedValues& named) {
  if (positional.size() > method.inputs.size()) {
    throw SignatureError(place_of(model, method) + ": takes " +
                             plural(method.inputs.size(), "input") + ", got " +
                             std::to_string(positional.size()),
                         usage(method));
  }
  BoundInputs bound(method.inputs.size(), nullptr);
  for (std::size_t i = 0; i < positional.size(); ++i) {
    bound[i] = &positional[i];
  }
  for (const auto& [name, value] : named) {
    const Value*& slot = bound[index_of(model, method, name)];
    if (slot != nullptr) {
      throw SignatureError(place_of(model, method) + ": input '" + name + "' was given twice");
    }
    slot = &value;
  }
  return bound;
}

}  // namespace

BoundInputs bind_inputs(const std::string& model, const MethodInfo& method,
                        const std::vector<Value>& positional, const NamedValues& named) {
  BoundInputs bound = arrange(model, method, positional, named);
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const ValueSpec& spec = method.inputs[i];
    if (bound[i] != nullptr) {
      require_kinds(spec, *bound[i], Place(model, method.name, spec.name));
    } else if (!spec.has_default) {
      throw SignatureError(place_of(model, method) + ": input '" + spec.name + "' (" + spec.type +
                               ") is missing",
                           usage(method));
    }
  }
  return bound;
}

}  // namespace torchship
