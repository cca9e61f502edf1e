#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

namespace torchship {

/// Names the signature of a call: dtypes and sizes of all tensors, in containers as well; which
/// arguments are None. Two calls with one key differ in the elements of tensors and in numbers
/// alone.
std::string call_key(const std::vector<c10::IValue>& arguments);

}  // namespace torchship
