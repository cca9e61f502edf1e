#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torchship/value.h>

namespace torchship {

/// Copies the tensors of a result into the caller's, in the order of flatten(). Throws SignatureError,
/// and copies nothing, where one does not fit. `place` is how messages name the call.
void hand_over(const Value& result, const std::vector<at::Tensor>& outputs,
               const std::string& place);

}  // namespace torchship
