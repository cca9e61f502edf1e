#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace torchship {

/// Inflates raw deflate data and hands it to `take` piece by piece, never more than `size` bytes.
/// Returns whether the data was whole and gave exactly `size` bytes.
bool inflate(std::string_view deflated, std::uint64_t size,
             const std::function<void(std::string_view)>& take);

}  // namespace torchship
