#include "place.h"

namespace torchship {

std::string Place::text() const {
  if (const auto* input = std::get_if<Input>(&step_)) {
    return *input->model + ": " + *input->method + ": input '" + *input->name + "'";
  }
  const std::string before = parent_->text();
  if (const auto* index = std::get_if<std::size_t>(&step_)) {
    return before + "[" + std::to_string(*index) + "]";
  }
  if (const auto* held = std::get_if<const Value*>(&step_)) {
    const Value& key = **held;
    return before +
           (key.kind() == Kind::string ? "['" + key.string() + "']" : "[" + describe(key) + "]");
  }
  return before + " key";
}

const std::string& Place::input() const {
  return parent_ != nullptr ? parent_->input() : *std::get<Input>(step_).name;
}

}  // namespace torchship
