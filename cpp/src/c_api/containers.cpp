#include "c_api/handles.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

bool has_members(const Value& value) {
  return value.kind() == Kind::list || value.kind() == Kind::tuple || value.kind() == Kind::dict;
}

const Value::Entries::value_type& entry_of(const ts_value* value, std::size_t index,
                                           const char* function) {
  const Value::Entries& entries = value_of(value, function).entries();
  require_index(index, entries.size(), function);
  return entries[index];
}

}  // namespace

ts_value* ts_value_from_list(const ts_value* const* items, size_t count) {
  return guarded_pointer<ts_value>([&] {
    return new_handle(Value::list(values_of(items, count, "ts_value_from_list", "items")));
  });
}

ts_value* ts_value_from_tuple(const ts_value* const* items, const char* const* names,
                              size_t count) {
  return guarded_pointer<ts_value>([&] {
    constexpr auto kFunction = "ts_value_from_tuple";
    std::vector<std::string> fields;
    for (std::size_t i = 0; names != nullptr && i < count; ++i) {
      fields.emplace_back(&given(names[i], kFunction, "a name"));
    }
    return new_handle(Value::tuple(values_of(items, count, kFunction, "items"), std::move(fields)));
  });
}

ts_value* ts_value_from_dict(const ts_value* const* keys, const ts_value* const* values,
                             size_t count) {
  return guarded_pointer<ts_value>([&] {
    std::vector<Value> first = values_of(keys, count, "ts_value_from_dict", "keys");
    std::vector<Value> second = values_of(values, count, "ts_value_from_dict", "values");
    Value::Entries entries;
    entries.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      entries.emplace_back(std::move(first[i]), std::move(second[i]));
    }
    return new_handle(Value::dict(std::move(entries)));
  });
}

size_t ts_value_size(const ts_value* value) {
  return guarded(std::size_t{0}, [&] {
    const Value& whole = value_of(value, "ts_value_size");
    return has_members(whole) ? whole.size() : 0;
  });
}

const ts_value* ts_value_item(const ts_value* value, size_t index) {
  return guarded_pointer<const ts_value>([&] {
    constexpr auto kFunction = "ts_value_item";
    const Value& whole = value_of(value, kFunction);
    if (whole.kind() == Kind::dict) return handle_of(entry_of(value, index, kFunction).second);
    const std::vector<Value>& items = whole.items();
    require_index(index, items.size(), kFunction);
    return handle_of(items[index]);
  });
}

const ts_value* ts_value_key(const ts_value* value, size_t index) {
  return guarded_pointer<const ts_value>(
      [&] { return handle_of(entry_of(value, index, "ts_value_key").first); });
}

const char* ts_value_field(const ts_value* value, size_t index) {
  return guarded_pointer<const char>([&] {
    const Value& tuple = value_of(value, "ts_value_field");
    const std::vector<std::string>& names = tuple.names();
    require_index(index, tuple.size(), "ts_value_field");
    return names.empty() ? "" : names[index].c_str();
  });
}

const ts_value* ts_value_find(const ts_value* value, const char* name) {
  return guarded_pointer<const ts_value>([&] {
    const std::string_view wanted = &given(name, "ts_value_find", "name");
    return handle_of(value_of(value, "ts_value_find")[wanted]);
  });
}
