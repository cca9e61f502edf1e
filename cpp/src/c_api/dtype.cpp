#include "c_api/dtype.h"

#include <array>
#include <utility>

#include <torchship/value.h>

namespace torchship::c_api {
namespace {

using enum at::ScalarType;

constexpr std::array kDtypes = {
    std::pair{TS_BOOL, Bool},
    std::pair{TS_UINT8, Byte},
    std::pair{TS_INT8, Char},
    std::pair{TS_INT16, Short},
    std::pair{TS_INT32, Int},
    std::pair{TS_INT64, Long},
    std::pair{TS_UINT16, UInt16},
    std::pair{TS_UINT32, UInt32},
    std::pair{TS_UINT64, UInt64},
    std::pair{TS_FLOAT16, Half},
    std::pair{TS_BFLOAT16, BFloat16},
    std::pair{TS_FLOAT32, Float},
    std::pair{TS_FLOAT64, Double},
    std::pair{TS_COMPLEX32, ComplexHalf},
    std::pair{TS_COMPLEX64, ComplexFloat},
    std::pair{TS_COMPLEX128, ComplexDouble},
    std::pair{TS_FLOAT8_E4M3FN, Float8_e4m3fn},
    std::pair{TS_FLOAT8_E4M3FNUZ, Float8_e4m3fnuz},
    std::pair{TS_FLOAT8_E5M2, Float8_e5m2},
    std::pair{TS_FLOAT8_E5M2FNUZ, Float8_e5m2fnuz},
    std::pair{TS_FLOAT8_E8M0FNU, Float8_e8m0fnu},
};

}  // namespace

ts_dtype dtype_of(at::ScalarType dtype) noexcept {
  for (const auto& [number, type] : kDtypes) {
    if (type == dtype) return number;
  }
  return TS_DTYPE_UNKNOWN;
}

std::optional<at::ScalarType> scalar_type_of(ts_dtype dtype) noexcept {
  for (const auto& [number, type] : kDtypes) {
    if (number == dtype) return type;
  }
  return std::nullopt;
}

}  // namespace torchship::c_api

const char* ts_dtype_name(ts_dtype dtype) {
  const auto type = torchship::c_api::scalar_type_of(dtype);
  return type ? torchship::to_string(*type).data() : "unknown";
}

size_t ts_dtype_size(ts_dtype dtype) {
  const auto type = torchship::c_api::scalar_type_of(dtype);
  return type ? c10::elementSize(*type) : 0;
}
