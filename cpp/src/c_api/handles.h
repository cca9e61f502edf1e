#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <torchship/c_api.h>
#include <torchship/model.h>

#include "c_api/guard.h"

/// A part of a signature, with the method whose symbols its sizes name.
struct ts_spec {
  const torchship::ValueSpec* spec = nullptr;
  const torchship::MethodInfo* method = nullptr;
  std::vector<ts_spec> members;
};

struct ts_method {
  const torchship::MethodInfo* method = nullptr;
  std::string text;
  std::vector<ts_spec> inputs;
  ts_spec output;
};

struct ts_info {
  explicit ts_info(torchship::ModelInfo said);

  torchship::ModelInfo info;
  std::vector<ts_method> methods;
  mutable std::once_flag json_made;
  mutable std::string json;
};

struct ts_options {
  torchship::LoadOptions options;
};

struct ts_model {
  explicit ts_model(torchship::Model loaded)
      : model(std::move(loaded)), info(model.info()), device(model.device().str()) {}

  torchship::Model model;
  ts_info info;
  std::string device;
};

namespace torchship::c_api {

/// Note [A ts_value is a Value]
/// The handle of a value is its address under another name: members of lists and dicts are handed
/// out where they are, without an object of their own that somebody would have to free.
inline const Value& value_of(const ts_value* value, const char* function,
                             const char* argument = "value") {
  return given(reinterpret_cast<const Value*>(value), function, argument);
}

inline const ts_value* handle_of(const Value& value) {
  return reinterpret_cast<const ts_value*>(&value);
}

/// A new handle, the caller's.
inline ts_value* new_handle(Value value) {
  return reinterpret_cast<ts_value*>(new Value(std::move(value)));
}

/// An array of values as the library takes it.
std::vector<Value> values_of(const ts_value* const* values, std::size_t count, const char* function,
                             const char* argument);

/// Options, or the defaults.
inline LoadOptions options_of(const ts_options* options) {
  return options == nullptr ? LoadOptions() : options->options;
}

}  // namespace torchship::c_api
