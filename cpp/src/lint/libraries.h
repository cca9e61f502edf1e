#pragma once

#include <string>
#include <string_view>

namespace torchship {

/// What brings an operator or class, for people: "torchvision (pip install torchvision)". Empty when
/// it is not known.
std::string library_of(std::string_view operator_name);

}  // namespace torchship
