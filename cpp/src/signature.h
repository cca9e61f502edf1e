#pragma once

#include <vector>

#include <torchship/info.h>
#include <torchship/value.h>

namespace torchship {

/// One entry for each argument of a method; null where its default is to be used. The values stay
/// the caller's.
using BoundInputs = std::vector<const Value*>;

/// Puts positional and named values into the order of the method's arguments and checks number,
/// names and kinds, nested values included. Throws SignatureError before anything is computed;
/// `model` names the file in its message.
BoundInputs bind_inputs(const std::string& model, const MethodInfo& method,
                        const std::vector<Value>& positional, const NamedValues& named);

}  // namespace torchship
