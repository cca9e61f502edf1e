#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>

#include "planned/lower/epilogue.h"
#include "planned/planner.h"

namespace torchship {

/// What a convolution is computed with.
struct Filters {
  at::Tensor weight;                    ///< The model's own,
  std::string use;                      ///< what is made of it,
  std::function<at::Tensor()> filters;  ///< and how: [filters, channels, height, width].
  std::optional<at::Tensor> bias;
};

/// The step of a convolution of images whose channels are last in memory, by the fastest algorithm;
/// stands for what was absorbed. `convolution` has its sizes.
void emit_convolution(Planner& planner, compute::Convolution convolution, const Filters& filters,
                      const Array& input, const Array& result, const Following& following);

/// Images of three dimensions have lines one pixel high.
Sizes with_height(Sizes sizes, std::int64_t height);

/// A transposed convolution, as several others; false where it is none for this.
bool lower_transposed_convolution(Planner& planner, std::size_t index);

}  // namespace torchship
