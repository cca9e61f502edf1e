#pragma once

#include <torchship/info.h>

#include "compiled/library.h"
#include "signature.h"

namespace torchship {

/// Whether a call's inputs are what `taken` says, exactly: dtypes, sizes, sizes that must agree,
/// members of containers, constants; an argument that is left out must be `optional`. If so, their tensors are appended to `tensors`, in order.
/// Says nothing of why not, and costs some tens of nanoseconds.
bool accept(const MethodInfo& taken, const BoundInputs& inputs, TensorList& tensors);

/// Builds a method's result from its tensors, which it takes from the list in order.
Value build_result(const ValueSpec& output, TensorList&& tensors);

/// Whether all inputs that `other` takes are taken by `wide` as well; both are of one method.
bool covers(const MethodInfo& wide, const MethodInfo& other);

}  // namespace torchship
