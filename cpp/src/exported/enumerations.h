#pragma once

#include <cstdint>
#include <optional>

#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

namespace torchship {

// The numbers of torch/_export/serde/schema.py; nothing for numbers that it does not have.

std::optional<c10::ScalarType> exported_dtype(std::int64_t number);
std::optional<c10::Layout> exported_layout(std::int64_t number);
std::optional<c10::MemoryFormat> exported_memory_format(std::int64_t number);

}  // namespace torchship
