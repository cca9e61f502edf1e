#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include <torchship/value.h>

namespace torchship {

/// Where in a call a value stands: "m.pt: forward: input 'x'[2]['mask']". A chain of links on the
/// stack, so that values that fit cost no text.
class Place {
 public:
  Place(const std::string& model, const std::string& method, const std::string& input)
      : step_(Input{&model, &method, &input}) {}

  Place item(std::size_t index) const { return {this, index}; }
  Place entry(const Value& key) const { return {this, &key}; }
  Place key() const { return {this, std::monostate()}; }  ///< Of a dict, some key itself.

  std::string text() const;
  /// The name of the input that the value is in.
  const std::string& input() const;
  /// Whether the value is the input itself.
  bool is_input() const noexcept { return parent_ == nullptr; }

 private:
  struct Input {
    const std::string* model;
    const std::string* method;
    const std::string* name;
  };
  using Step = std::variant<std::monostate, Input, std::size_t, const Value*>;

  Place(const Place* parent, Step step) : parent_(parent), step_(step) {}

  const Place* parent_ = nullptr;
  Step step_;
};

}  // namespace torchship
