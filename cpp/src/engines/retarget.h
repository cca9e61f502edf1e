#pragma once

#include <cstddef>

#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Replaces the devices that a graph names by `device`, and says how many places that were.
///
/// A trace keeps the device of every tensor that it saw being made or moved. All of a model is on one
/// device here, so what is made elsewhere could only fail to meet the rest. Replaced are devices that
/// are arguments of operators which give a tensor, and the moves `cuda` and `cpu`. Left alone are
/// comparisons of devices, the device `meta`, and what an operator wants on the CPU wherever its
/// other inputs are: the lengths of packed sequences.
std::size_t retarget(torch::jit::Graph& graph, const at::Device& device);

}  // namespace torchship
