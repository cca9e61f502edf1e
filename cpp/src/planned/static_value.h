#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Whether the node gives the same for the same arguments, and does nothing else.
bool is_repeatable(const torch::jit::Node& node);

/// Whether the node looks at its first argument's sizes, dtype or device, and not at its elements.
bool reads_sizes_alone(const torch::jit::Node& node);

/// Whether a value is small enough to be kept with a plan: numbers, lists of them, tensors of up to
/// 16 MB.
bool is_small(const c10::IValue& value);

}  // namespace torchship
