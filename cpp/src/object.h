#pragma once

#include <string>

#include <torchship/value.h>

namespace torchship {

/// Base of the handles to a model's own class instances; each engine knows only its own kind.
struct Value::Object {
  explicit Object(std::string type) : type_name(std::move(type)) {}
  virtual ~Object() = default;

  std::string type_name;
};

}  // namespace torchship
