#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Whether there is an operator that decompose_composites() looks at.
bool has_composites(torch::jit::Graph& graph);

/// Replaces operators that stand for a whole layer (those that nn.TransformerEncoderLayer and
/// nn.MultiheadAttention run in eval mode) by the operators of the layer's definition, whose places
/// in the source are theirs. Those that cannot be replaced stay.
void decompose_composites(torch::jit::Graph& graph);

}  // namespace torchship
