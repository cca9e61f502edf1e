#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Whether anything in a graph may write to a value that is there already. Where nothing does, what is
/// equal once is equal always, and nobody needs to find out what aliases what, which takes LibTorch
/// longer than most passes.
bool may_write(torch::jit::Graph& graph);
bool may_write(const torch::jit::Node& node);

}  // namespace torchship
