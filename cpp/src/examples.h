#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <torchship/info.h>
#include <torchship/value.h>

#include "sample.h"

namespace torchship {

/// Inputs that a method accepts: those of its first sample, else zeros of the sizes that its signature
/// tells; nothing where neither is there.
std::optional<std::vector<Value>> example_inputs(const MethodInfo& method,
                                                 const std::vector<Sample>& samples);

/// Calls a method.
using Call = std::function<void(const MethodInfo&, const std::vector<Value>&)>;

/// Calls each method some times on its example inputs, so that what LibTorch does once it has done.
/// What a call on a sample throws is passed on.
void warm_up(const ModelInfo& info, const std::vector<Sample>& samples, const Call& call);

}  // namespace torchship
