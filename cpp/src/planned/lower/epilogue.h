#pragma once

#include <optional>

#include "planned/planner.h"

namespace torchship {

/// What follows a product or convolution and runs with it: an activation, the sum with another
/// tensor.
struct Following {
  ValueId result = 0;  ///< What the whole gives.
  compute::Activation activation = compute::Activation::none;
  float low = 0, high = 0;
  std::optional<Array> residual;
  bool residual_is_last = false;

  /// With no pointers yet.
  compute::Epilogue epilogue() const;
};

/// Looks at the only use of `id`, and at the next one after it, and absorbs what can run with the
/// operation that gives `id`. `rows_of` says how a residual of the result's sizes must lie in
/// memory, or copies it so.
template <typename RowsOf>
Following follow(Planner& planner, ValueId id, const RowsOf& rows_of);

/// The activation that the operation is, without residual.
std::optional<Following> activation_of(const Planner& planner, std::size_t operation);

/// The other operand of a plain sum of two tensors of the same sizes; it is there already.
std::optional<ValueId> other_summand(const Planner& planner, std::size_t operation, ValueId one);

template <typename RowsOf>
Following follow(Planner& planner, ValueId id, const RowsOf& rows_of) {
  Following found{.result = id, .residual = {}};
  for (int i = 0; i < 2; ++i) {
    const auto use = planner.only_use(found.result);
    if (!use) break;
    const auto activation = activation_of(planner, *use);
    const auto other = other_summand(planner, *use, found.result);
    if (activation && found.activation == compute::Activation::none) {
      found.activation = activation->activation;
      found.low = activation->low;
      found.high = activation->high;
    } else if (other && !found.residual) {
      found.residual = rows_of(planner.array(*other));
      found.residual_is_last = found.activation != compute::Activation::none;
    } else {
      break;
    }
    planner.absorb(*use);
    found.result = planner.operation(*use).outputs[0];
    // Nothing can follow that would be applied to the whole.
    if (found.residual_is_last) break;
  }
  return found;
}

}  // namespace torchship
