#include "c_api/handles.h"

namespace torchship::c_api {

std::vector<Value> values_of(const ts_value* const* values, std::size_t count, const char* function,
                             const char* argument) {
  std::vector<Value> taken;
  if (count == 0) return taken;
  given(values, function, argument);
  taken.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i] == nullptr) {
      given(values[i], function, (std::string(argument) + "[" + std::to_string(i) + "]").c_str());
    }
    taken.push_back(value_of(values[i], function));
  }
  return taken;
}

}  // namespace torchship::c_api

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

static_assert(TS_KIND_NONE == static_cast<int>(Kind::none));
static_assert(TS_KIND_TENSOR == static_cast<int>(Kind::tensor));
static_assert(TS_KIND_BOOL == static_cast<int>(Kind::boolean));
static_assert(TS_KIND_INT == static_cast<int>(Kind::integer));
static_assert(TS_KIND_FLOAT == static_cast<int>(Kind::floating));
static_assert(TS_KIND_COMPLEX == static_cast<int>(Kind::complex));
static_assert(TS_KIND_STRING == static_cast<int>(Kind::string));
static_assert(TS_KIND_LIST == static_cast<int>(Kind::list));
static_assert(TS_KIND_TUPLE == static_cast<int>(Kind::tuple));
static_assert(TS_KIND_DICT == static_cast<int>(Kind::dict));
static_assert(TS_KIND_OBJECT == static_cast<int>(Kind::object));
static_assert(TS_KIND_ANY == static_cast<int>(Kind::any));

ts_value* ts_value_from_none(void) {
  return guarded_pointer<ts_value>([] { return new_handle({}); });
}

ts_value* ts_value_from_bool(bool boolean) {
  return guarded_pointer<ts_value>([&] { return new_handle(boolean); });
}

ts_value* ts_value_from_int(int64_t integer) {
  return guarded_pointer<ts_value>([&] { return new_handle(integer); });
}

ts_value* ts_value_from_float(double number) {
  return guarded_pointer<ts_value>([&] { return new_handle(number); });
}

ts_value* ts_value_from_complex(double real, double imaginary) {
  return guarded_pointer<ts_value>([&] { return new_handle(std::complex(real, imaginary)); });
}

ts_value* ts_value_from_string(const char* text, size_t length) {
  return guarded_pointer<ts_value>([&] {
    if (length > 0) given(text, "ts_value_from_string", "text");
    return new_handle(length > 0 ? std::string(text, length) : std::string());
  });
}

ts_value* ts_value_copy(const ts_value* value) {
  return guarded_pointer<ts_value>([&] { return new_handle(value_of(value, "ts_value_copy")); });
}

void ts_value_free(ts_value* value) {
  guarded_status([&] { delete reinterpret_cast<Value*>(value); });
}

ts_kind ts_value_kind(const ts_value* value) {
  return guarded(ts_kind{TS_KIND_INVALID},
                 [&] { return static_cast<ts_kind>(value_of(value, "ts_value_kind").kind()); });
}

ts_status ts_value_as_bool(const ts_value* value, bool* boolean) {
  return guarded_status([&] {
    given(boolean, "ts_value_as_bool", "boolean") = value_of(value, "ts_value_as_bool").boolean();
  });
}

ts_status ts_value_as_int(const ts_value* value, int64_t* integer) {
  return guarded_status([&] {
    given(integer, "ts_value_as_int", "integer") = value_of(value, "ts_value_as_int").integer();
  });
}

ts_status ts_value_as_float(const ts_value* value, double* number) {
  return guarded_status([&] {
    given(number, "ts_value_as_float", "number") = value_of(value, "ts_value_as_float").floating();
  });
}

ts_status ts_value_as_complex(const ts_value* value, double* real, double* imaginary) {
  return guarded_status([&] {
    const std::complex<double> number = value_of(value, "ts_value_as_complex").complex();
    double& real_part = given(real, "ts_value_as_complex", "real");
    given(imaginary, "ts_value_as_complex", "imaginary") = number.imag();
    real_part = number.real();
  });
}

const char* ts_value_as_string(const ts_value* value, size_t* length) {
  return guarded_pointer<const char>([&] {
    const std::string& text = value_of(value, "ts_value_as_string").string();
    if (length != nullptr) *length = text.size();
    return text.c_str();
  });
}
