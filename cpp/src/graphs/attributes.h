#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Puts what the attributes of `self` hold now, as constants, in the place of reading them; those that
/// the graph may change stay. Calls must be inlined: with a call or a fork left, which may change
/// anything, nothing is done.
void make_attributes_constant(torch::jit::Graph& graph, const c10::IValue& self);

}  // namespace torchship
