#pragma once

#include <cstdint>
#include <memory>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Computes beforehand what depends on constants alone, and takes the branches that are then known;
/// returns how many results it computed.
///
/// LibTorch's own pass runs whatever a file asks for. This one runs an operator only after the same
/// operator, on tensors without data, has told how large its result is; what is large, costly,
/// random, or touches more than its arguments stays in the graph, and so does what fails.
std::int64_t propagate_constants(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchship
