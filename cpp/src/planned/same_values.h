#pragma once

#include <ATen/core/ivalue.h>

#include <string>

namespace torchship {

/// How one result departs from another; empty where they have the same structure, dtypes and sizes,
/// and elements that are close, where they are float32, and equal, where they are not.
std::string difference(const c10::IValue& got, const c10::IValue& expected);

/// The same without a look at elements.
std::string structural_difference(const c10::IValue& got, const c10::IValue& expected);

}  // namespace torchship
