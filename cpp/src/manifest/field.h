#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifest/json.h"

namespace torchship {

/// A value of the manifest that knows where it stands, so that what is wrong with it can be told:
/// "model.pt: extra/torchship/manifest.json: methods[0].inputs[1].shape: expected an array, got 3".
/// Refers to the JSON and the place it was made from. All accessors throw ArchiveError.
class Field {
 public:
  Field(const Json& json, const std::string& place) : json_(&json), place_(&place) {}

  /// The value under a key that must be there.
  Field operator[](const char* key) const;
  std::optional<Field> find(const char* key) const;
  std::vector<Field> items() const;  ///< Of an array.
  /// Of an object, by key in the order of the alphabet.
  std::vector<std::pair<std::string, Field>> members() const;

  const std::string& string() const;
  std::string one_of(std::initializer_list<std::string_view> words) const;
  std::int64_t integer() const;
  std::int64_t integer(std::int64_t least) const;
  bool boolean() const;
  double number() const;   ///< An integer or a fraction.
  double floating() const; ///< The same, or "nan", "inf" or "-inf".

  bool is_null() const { return json_->is_null(); }
  bool is_string() const { return json_->is_string(); }
  bool is_integer() const { return json_->is_number_integer(); }
  bool is_boolean() const { return json_->is_boolean(); }

  [[noreturn]] void refuse(const std::string& what) const;
  [[noreturn]] void expected(const std::string& what) const;

 private:
  Field(const Json& json, const std::string& place, std::string path)
      : json_(&json), place_(&place), path_(std::move(path)) {}
  Field child(const Json& json, const std::string& key) const;

  const Json* json_;
  const std::string* place_;
  std::string path_;  ///< "methods[0].inputs"
};

}  // namespace torchship
