#include "manifest/field.h"

#include <algorithm>
#include <cctype>
#include <limits>

#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

constexpr auto kHint = "the file is damaged, or something else than torchship wrote it";

bool is_plain_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
}

std::string described(const Json& json) {
  if (json.is_string()) return quote(json.get_ref<const std::string&>());
  if (json.is_number() || json.is_boolean() || json.is_null()) return json.dump();
  return json.is_array() ? "an array" : "an object";
}

}  // namespace

Field Field::child(const Json& json, const std::string& key) const {
  const std::string step = is_plain_key(key) ? (path_.empty() ? "" : ".") + key
                                             : "[" + quote(key) + "]";
  return Field(json, *place_, path_ + step);
}

std::optional<Field> Field::find(const char* key) const {
  if (!json_->is_object()) expected("an object");
  const auto found = json_->find(key);
  return found == json_->end() ? std::nullopt : std::optional(child(*found, key));
}

Field Field::operator[](const char* key) const {
  if (const std::optional<Field> found = find(key)) return *found;
  refuse("key '" + std::string(key) + "' is missing");
}

std::vector<Field> Field::items() const {
  if (!json_->is_array()) expected("an array");
  std::vector<Field> fields;
  fields.reserve(json_->size());
  for (std::size_t i = 0; i < json_->size(); ++i) {
    fields.push_back(Field((*json_)[i], *place_, path_ + "[" + std::to_string(i) + "]"));
  }
  return fields;
}

std::vector<std::pair<std::string, Field>> Field::members() const {
  if (!json_->is_object()) expected("an object");
  std::vector<std::pair<std::string, Field>> fields;
  for (auto member = json_->begin(); member != json_->end(); ++member) {
    fields.emplace_back(member.key(), child(*member, member.key()));
  }
  return fields;
}

const std::string& Field::string() const {
  if (!json_->is_string()) expected("a string");
  return json_->get_ref<const std::string&>();
}

std::string Field::one_of(std::initializer_list<std::string_view> words) const {
  const std::string& word = string();
  if (std::find(words.begin(), words.end(), word) != words.end()) return word;
  std::string known;
  for (const std::string_view each : words) {
    known += (known.empty() ? "" : ", ") + std::string(each);
  }
  expected("one of " + known);
}

std::int64_t Field::integer() const {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool too_large = json_->is_number_unsigned() && json_->get<std::uint64_t>() > kMost;
  if (!json_->is_number_integer() || too_large) expected("an integer of 64 bits");
  return json_->get<std::int64_t>();
}

std::int64_t Field::integer(std::int64_t least) const {
  const std::int64_t value = integer();
  if (value < least) expected("an integer of at least " + std::to_string(least));
  return value;
}

bool Field::boolean() const {
  if (!json_->is_boolean()) expected("true or false");
  return json_->get<bool>();
}

double Field::number() const {
  if (!json_->is_number()) expected("a number");
  return json_->get<double>();
}

double Field::floating() const {
  if (!json_->is_string()) return number();
  const std::string word = one_of({"nan", "inf", "-inf"});
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return word == "nan" ? std::numeric_limits<double>::quiet_NaN()
                       : (word == "inf" ? kInfinity : -kInfinity);
}

void Field::refuse(const std::string& what) const {
  throw ArchiveError(*place_ + ": " + (path_.empty() ? "" : path_ + ": ") + what, kHint);
}

void Field::expected(const std::string& what) const {
  refuse("expected " + what + ", got " + described(*json_));
}

}  // namespace torchship
