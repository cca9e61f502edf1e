#pragma once

#include <string>
#include <string_view>

#include "compute/matrix.h"

namespace torchship {

inline constexpr const char* kFloat32Weights = "float32";

/// What LoadOptions::weights names: "float32", "bfloat16", "int8". Throws EngineError.
compute::Format parse_weights(std::string_view name);

/// How far results may be off as a whole (Tolerance::normwise) where no tolerance was asked for: 0
/// of float32 weights, whose results are compared element by element.
double normwise_tolerance(std::string_view weights);

}  // namespace torchship
