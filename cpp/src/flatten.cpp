#include <array>
#include <charconv>

#include <torchship/value.h>

#include "key_text.h"

namespace torchship {
namespace {

void add_leaves(const Value& value, const std::string& name, NamedValues& leaves) {
  const std::string prefix = name.empty() ? "" : name + ".";
  switch (value.kind()) {
    case Kind::list:
    case Kind::tuple:
      for (std::size_t i = 0; i < value.size(); ++i) {
        const bool has_names = value.kind() == Kind::tuple && !value.names().empty();
        add_leaves(value[i], prefix + (has_names ? value.names()[i] : std::to_string(i)), leaves);
      }
      break;
    case Kind::dict:
      for (const auto& [key, item] : value.entries()) {
        add_leaves(item, prefix + key_text(key), leaves);
      }
      break;
    default: leaves.emplace_back(name, value);
  }
}

}  // namespace

std::string key_text(const Value& key) {
  switch (key.kind()) {
    case Kind::string: return key.string();
    case Kind::boolean: return key.boolean() ? "True" : "False";
    case Kind::integer: return std::to_string(key.integer());
    case Kind::floating: {
      std::array<char, 32> digits{};
      const auto end =
          std::to_chars(digits.data(), digits.data() + digits.size(), key.floating()).ptr;
      return std::string(digits.data(), end);
    }
    default: return describe(key);
  }
}

NamedValues flatten(const Value& value, const std::string& name) {
  NamedValues leaves;
  add_leaves(value, "", leaves);
  if (leaves.size() == 1 && leaves[0].first.empty()) {
    leaves[0].first = name;
  }
  return leaves;
}

}  // namespace torchship
