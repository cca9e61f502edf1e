#include <torchship/info.h>

#include <algorithm>
#include <span>

#include "c_api/dtype.h"
#include "c_api/handles.h"
#include "json/json.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

ts_spec spec_of(const ValueSpec& spec, const MethodInfo& method) {
  ts_spec made{.spec = &spec, .method = &method, .members = {}};
  const bool is_tuple = spec.kind == Kind::tuple;
  if (!spec.members && !is_tuple) return made;
  for (const ValueSpec& member : spec.members ? *spec.members : spec.items) {
    made.members.push_back(spec_of(member, method));
  }
  return made;
}

ts_method method_of(const MethodInfo& info) {
  ts_method made{
      .method = &info, .text = to_string(info), .inputs = {}, .output = spec_of(info.output, info)};
  for (const ValueSpec& input : info.inputs) made.inputs.push_back(spec_of(input, info));
  return made;
}

ts_dimension dimension_of(const Dimension& dimension, const MethodInfo& method) {
  if (dimension.symbol < 0) {
    return {.symbol = nullptr,
            .size = dimension.size,
            .min = std::max<std::int64_t>(dimension.size, 0),
            .max = dimension.size,
            .multiple_of = 1};
  }
  const DimensionRange& range = method.dimensions[static_cast<std::size_t>(dimension.symbol)];
  return {.symbol = range.name.c_str(),
          .size = -1,
          .min = range.min,
          .max = range.max.value_or(-1),
          .multiple_of = range.multiple_of};
}

const ValueSpec& told(const ts_spec* spec, const char* function) {
  return *given(spec, function, "spec").spec;
}

}  // namespace

ts_info::ts_info(ModelInfo said) : info(std::move(said)) {
  for (const MethodInfo& method : info.methods) methods.push_back(method_of(method));
}

ts_info* ts_info_read(const char* path) {
  return guarded_pointer<ts_info>(
      [&] { return new ts_info(read_info(&given(path, "ts_info_read", "path"))); });
}

ts_info* ts_info_read_memory(const void* bytes, size_t size, const char* name) {
  return guarded_pointer<ts_info>([&] {
    constexpr auto kFunction = "ts_info_read_memory";
    const std::span span(&given(static_cast<const std::byte*>(bytes), kFunction, "bytes"), size);
    return new ts_info(read_info(Source::memory(span, &given(name, kFunction, "name"))));
  });
}

void ts_info_free(ts_info* info) { delete info; }

const char* ts_info_json(const ts_info* info) {
  return guarded_pointer<const char>([&] {
    const ts_info& said = given(info, "ts_info_json", "info");
    std::call_once(said.json_made, [&] { said.json = to_text(to_json(said.info)); });
    return said.json.c_str();
  });
}

size_t ts_info_method_count(const ts_info* info) {
  return guarded(std::size_t{0},
                 [&] { return given(info, "ts_info_method_count", "info").methods.size(); });
}

const ts_method* ts_info_method(const ts_info* info, size_t index) {
  return guarded_pointer<const ts_method>([&] {
    const std::vector<ts_method>& methods = given(info, "ts_info_method", "info").methods;
    require_index(index, methods.size(), "ts_info_method");
    return &methods[index];
  });
}

const ts_method* ts_info_find_method(const ts_info* info, const char* name) {
  return guarded_pointer<const ts_method>([&] {
    const ts_info& said = given(info, "ts_info_find_method", "info");
    const std::string_view wanted =
        name != nullptr ? std::string_view(name) : std::string_view(said.info.default_method);
    for (const ts_method& method : said.methods) {
      if (method.method->name == wanted) return &method;
    }
    throw SignatureError(said.info.path.string() +
                         (name == nullptr ? ": has no method that plain calls could go to"
                                          : ": has no method '" + std::string(wanted) + "'"));
  });
}

const char* ts_method_name(const ts_method* method) {
  return guarded_pointer<const char>(
      [&] { return given(method, "ts_method_name", "method").method->name.c_str(); });
}

const char* ts_method_text(const ts_method* method) {
  return guarded_pointer<const char>(
      [&] { return given(method, "ts_method_text", "method").text.c_str(); });
}

size_t ts_method_input_count(const ts_method* method) {
  return guarded(std::size_t{0},
                 [&] { return given(method, "ts_method_input_count", "method").inputs.size(); });
}

const ts_spec* ts_method_input(const ts_method* method, size_t index) {
  return guarded_pointer<const ts_spec>([&] {
    const std::vector<ts_spec>& inputs = given(method, "ts_method_input", "method").inputs;
    require_index(index, inputs.size(), "ts_method_input");
    return &inputs[index];
  });
}

const ts_spec* ts_method_output(const ts_method* method) {
  return guarded_pointer<const ts_spec>(
      [&] { return &given(method, "ts_method_output", "method").output; });
}

const char* ts_spec_name(const ts_spec* spec) {
  return guarded_pointer<const char>([&] { return told(spec, "ts_spec_name").name.c_str(); });
}

const char* ts_spec_type(const ts_spec* spec) {
  return guarded_pointer<const char>([&] { return told(spec, "ts_spec_type").type.c_str(); });
}

ts_kind ts_spec_kind(const ts_spec* spec) {
  return guarded(ts_kind{TS_KIND_INVALID},
                 [&] { return static_cast<ts_kind>(told(spec, "ts_spec_kind").kind); });
}

bool ts_spec_may_be_none(const ts_spec* spec) {
  return guarded(false, [&] { return told(spec, "ts_spec_may_be_none").optional; });
}

bool ts_spec_may_be_left_out(const ts_spec* spec) {
  return guarded(false, [&] { return told(spec, "ts_spec_may_be_left_out").has_default; });
}

ts_dtype ts_spec_dtype(const ts_spec* spec) {
  return guarded(ts_dtype{TS_DTYPE_UNKNOWN}, [&] {
    const auto dtype = told(spec, "ts_spec_dtype").dtype;
    return dtype ? dtype_of(*dtype) : ts_dtype{TS_DTYPE_UNKNOWN};
  });
}

int32_t ts_spec_ndim(const ts_spec* spec) {
  return guarded(std::int32_t{-1}, [&] {
    const auto& shape = told(spec, "ts_spec_ndim").shape;
    return shape ? static_cast<std::int32_t>(shape->size()) : std::int32_t{-1};
  });
}

ts_status ts_spec_dimension(const ts_spec* spec, size_t index, ts_dimension* dimension) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_spec_dimension";
    const auto& shape = told(spec, kFunction).shape;
    require_index(index, shape ? shape->size() : 0, kFunction);
    given(dimension, kFunction, "dimension") = dimension_of((*shape)[index], *spec->method);
  });
}

size_t ts_spec_member_count(const ts_spec* spec) {
  return guarded(std::size_t{0},
                 [&] { return given(spec, "ts_spec_member_count", "spec").members.size(); });
}

const ts_spec* ts_spec_member(const ts_spec* spec, size_t index) {
  return guarded_pointer<const ts_spec>([&] {
    const std::vector<ts_spec>& members = given(spec, "ts_spec_member", "spec").members;
    require_index(index, members.size(), "ts_spec_member");
    return &members[index];
  });
}
