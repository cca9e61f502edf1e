#pragma once

#include <optional>

#include <c10/core/ScalarType.h>
#include <torchship/c_api.h>

namespace torchship::c_api {

/// TS_DTYPE_UNKNOWN for those that the interface has no number for.
ts_dtype dtype_of(at::ScalarType dtype) noexcept;

std::optional<at::ScalarType> scalar_type_of(ts_dtype dtype) noexcept;

}  // namespace torchship::c_api
