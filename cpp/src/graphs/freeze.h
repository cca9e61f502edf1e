#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torchship/graph.h>

namespace torchship {

/// Makes the graph of a method ready for inference on the weights that `self` holds now, and says what
/// each pass did: calls inlined, attributes made constants, what has constant inputs computed, dead
/// and repeated code gone, dropout gone, batch norms and constant arithmetic folded into the weights
/// of the convolution or linear layer before them.
///
/// The graph becomes a function of its inputs and of the attributes that a call may change, which stay
/// attributes. `self` and its tensors are only read. Operators with constant inputs are run, once.
/// `device`, where given, takes the place of other devices that the code names. Throws std::exception
/// where LibTorch refuses a graph.
std::vector<GraphPass> freeze(std::shared_ptr<torch::jit::Graph>& graph, const c10::IValue& self,
                              const std::optional<at::Device>& device);

}  // namespace torchship
