#pragma once

#include <string>

namespace torchship {

/// The source of a record without what a description does not need: bodies of functions, which become
/// `pass`, and the types of modules' attributes. Code that takes more than reading lines (strings over
/// several lines, tabs, comments that give types) comes back whole, which can be parsed as well.
std::string outline(std::string code);

}  // namespace torchship
