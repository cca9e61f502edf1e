#include <algorithm>

#include "c_api/handles.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

/// Inputs as Model::call() takes them.
struct Inputs {
  std::vector<Value> positional;
  NamedValues named;
};

Inputs inputs_of(const ts_value* const* inputs, const char* const* names, std::size_t count,
                 const char* function) {
  Inputs arranged{.positional = values_of(inputs, count, function, "inputs"), .named = {}};
  if (names == nullptr) return arranged;
  const char* const* const end = names + count;
  const char* const* const first_name =
      std::find_if(names, end, [](const char* name) { return name != nullptr; });
  if (std::find(first_name, end, nullptr) != end) {
    throw ArgumentError(std::string(function) +
                        ": an input without a name comes after a named one");
  }
  const std::ptrdiff_t positional = first_name - names;
  for (const char* const* name = first_name; name != end; ++name) {
    arranged.named.emplace_back(*name, std::move(arranged.positional[name - names]));
  }
  arranged.positional.resize(static_cast<std::size_t>(positional));
  return arranged;
}

/// The method of that name, or where plain calls go.
std::string_view method_of(const Model& model, const char* method) {
  if (method != nullptr) return method;
  // Without such a method run() says so, and which there are.
  if (model.info().default_method.empty()) model.run({});
  return model.info().default_method;
}

bool is_lazy(const Value& value) {
  switch (value.kind()) {
    case Kind::tensor: return value.tensor().is_conj() || value.tensor().is_neg();
    case Kind::list:
    case Kind::tuple: return std::any_of(value.items().begin(), value.items().end(), is_lazy);
    case Kind::dict:
      return std::any_of(value.entries().begin(), value.entries().end(),
                         [](const auto& entry) { return is_lazy(entry.second); });
    default: return false;
  }
}

/// The value with the elements in memory that LibTorch would make of them when it reads them:
/// conjugates that it has not computed yet.
Value written_out(const Value& value) {
  std::vector<Value> items;
  Value::Entries entries;
  switch (value.kind()) {
    case Kind::tensor: return value.tensor().resolve_conj().resolve_neg();
    case Kind::list:
    case Kind::tuple:
      for (const Value& item : value.items()) items.push_back(written_out(item));
      return value.kind() == Kind::list ? Value::list(std::move(items))
                                        : Value::tuple(std::move(items), value.names());
    case Kind::dict:
      for (const auto& [key, item] : value.entries()) entries.emplace_back(key, written_out(item));
      return Value::dict(std::move(entries));
    default: return value;
  }
}

}  // namespace

ts_value* ts_model_call(const ts_model* model, const char* method, const ts_value* const* inputs,
                        const char* const* names, size_t input_count) {
  return guarded_pointer<ts_value>([&] {
    constexpr auto kFunction = "ts_model_call";
    const Model& callee = given(model, kFunction, "model").model;
    const Inputs taken = inputs_of(inputs, names, input_count, kFunction);
    const Value result = callee.call(method_of(callee, method), taken.positional, taken.named);
    return new_handle(is_lazy(result) ? written_out(result) : result);
  });
}

ts_status ts_model_call_into(const ts_model* model, const char* method,
                             const ts_value* const* inputs, const char* const* names,
                             size_t input_count, const ts_value* const* outputs,
                             size_t output_count) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_model_call_into";
    const Model& callee = given(model, kFunction, "model").model;
    const Inputs taken = inputs_of(inputs, names, input_count, kFunction);
    std::vector<at::Tensor> memory;
    for (const Value& output : values_of(outputs, output_count, kFunction, "outputs")) {
      memory.push_back(output.tensor());
    }
    callee.call_into(method_of(callee, method), taken.positional, memory, taken.named);
  });
}
