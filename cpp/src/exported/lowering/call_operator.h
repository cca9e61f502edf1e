#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "exported/lowering/lowering.h"

namespace torchship {

/// A call of exactly this overload of an operator, whatever the types of its arguments look like.
/// LibTorch's own nodes name no overload: it takes the first that fits. Not to be saved to a file.
torch::jit::Node* create_call(torch::jit::Graph& graph, const OperatorTarget& target,
                              const std::vector<torch::jit::Value*>& arguments,
                              std::size_t outputs);

/// A number as a tensor that takes part in arithmetic as a number does: it does not promote others.
torch::jit::Value* insert_wrapped_number(torch::jit::Graph& graph, torch::jit::Value* number);

}  // namespace torchship
