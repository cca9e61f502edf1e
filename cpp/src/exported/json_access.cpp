#include "exported/json_access.h"

#include <limits>

#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {

void JsonAccess::refuse(const std::string& what) const {
  throw ArchiveError(place_ + ": " + (part_.empty() ? "" : part_ + ": ") + what,
                     "the file is damaged, or torch.export.save did not write it");
}

void JsonAccess::expected(const char* what, const Json& got) const {
  const bool is_short = got.is_number() || got.is_boolean() || got.is_null();
  refuse(std::string("expected ") + what + ", got " +
         (is_short        ? got.dump()
          : got.is_string() ? quote(got.get_ref<const std::string&>())
          : got.is_array()  ? "an array"
                            : "an object"));
}

const Json* JsonAccess::find(const Json& object, const char* key) const {
  if (!object.is_object()) expected("an object", object);
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonAccess::at(const Json& object, const char* key) const {
  if (const Json* found = find(object, key)) return *found;
  refuse(std::string("key '") + key + "' is missing");
}

const std::string& JsonAccess::string(const Json& value) const {
  if (!value.is_string()) expected("a string", value);
  return value.get_ref<const std::string&>();
}

std::int64_t JsonAccess::integer(const Json& value) const {
  if (!value.is_number_integer()) expected("an integer", value);
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    refuse("the integer " + value.dump() + " is too large");
  }
  return value.get<std::int64_t>();
}

bool JsonAccess::boolean(const Json& value) const {
  if (!value.is_boolean()) expected("true or false", value);
  return value.get<bool>();
}

double JsonAccess::number(const Json& value) const {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (text == "Infinity") return kInfinity;
    if (text == "-Infinity") return -kInfinity;
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  expected("a number", value);
}

const Json& JsonAccess::array(const Json& value) const {
  if (!value.is_array()) expected("an array", value);
  return value;
}

const Json& JsonAccess::object(const Json& value) const {
  if (!value.is_object()) expected("an object", value);
  return value;
}

std::pair<const std::string&, const Json&> JsonAccess::only(const Json& value) const {
  object(value);
  // Older writers name every alternative, and null all but one.
  const Json* found = nullptr;
  const std::string* name = nullptr;
  for (auto member = value.begin(); member != value.end(); ++member) {
    if (member->is_null()) continue;
    if (found != nullptr) refuse("a value has both '" + *name + "' and '" + member.key() + "'");
    found = &*member;
    name = &member.key();
  }
  if (found == nullptr) refuse("a value says nothing");
  return {*name, *found};
}

}  // namespace torchship
