#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "planned/planner.h"

namespace torchship {

/// softmax(q kT * scale + mask) v; q, k and v are [heads, rows, width], or with a batch before
/// them.
struct AttentionOperands {
  Array q, k, v;
  std::optional<Array> mask;  ///< Repeated to [batch, heads, rows of q, rows of k].
  bool is_causal = false;
  float scale = 1;
  float unseen = 0;  ///< Of rows all of whose columns are masked: 0 or NaN.
};

/// The step for it, which stands for `operations` and gives `output`; false where there is no
/// kernel for such sizes.
bool emit_attention(Planner& planner, const AttentionOperands& operands, ValueId output,
                    const std::vector<std::size_t>& operations);

/// Where the product of two operands that change is the first one of an attention that was written
/// out (product, scale, mask, softmax, product), the step for all of it.
bool lower_written_attention(Planner& planner, std::size_t product);

}  // namespace torchship
