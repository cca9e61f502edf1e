#pragma once

#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "signature.h"

namespace torchship {

/// Where the first tensor among a call's inputs is; nothing where there is none.
std::optional<at::Device> first_device(const BoundInputs& inputs);

/// "x: float64[1, 4] (traced with float32[1, 3])" for each input, to set beside a failure.
std::string describe_inputs(const MethodInfo& method, const BoundInputs& inputs);

}  // namespace torchship
