#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace torchship {

using Sizes = std::vector<std::int64_t>;

// How elements of tensors lie in memory: strides in elements, as LibTorch has them.

/// The last dimension is innermost.
Sizes usual_strides(const Sizes& sizes);

/// Of three or more dimensions: the second one, the channels, is innermost.
Sizes channels_last_strides(const Sizes& sizes);

/// Whether both put every element in the same place.
bool are_same_place(const Sizes& sizes, const Sizes& a, const Sizes& b);

/// The dimensions from the outermost to the innermost, those of size 1 left out; nothing unless the
/// elements lie side by side, whatever their order.
std::optional<std::vector<std::size_t>> memory_order(const Sizes& sizes, const Sizes& strides);

}  // namespace torchship
