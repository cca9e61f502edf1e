#pragma once

#include <vector>

#include <torchship/info.h>

namespace torchship::fuzz {

/// Inputs that fit what a method says of itself; small whatever it says.
std::vector<Value> example_inputs(const MethodInfo& method);

/// Whether two results are the same, bit for bit.
bool same(const Value& a, const Value& b);

}  // namespace torchship::fuzz
