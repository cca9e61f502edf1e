#pragma once

#include <string>
#include <string_view>

namespace torchship {

/// The package that brings an operator or a class: "torchvision" for "torchvision::nms". Empty when
/// it is not known.
std::string library_of(std::string_view operator_name);

}  // namespace torchship
