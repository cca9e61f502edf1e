#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Takes out dropout that is switched off: it gives its input as it is. LibTorch's own pass refuses
/// graphs in which any dropout is on.
void remove_idle_dropout(torch::jit::Graph& graph);

}  // namespace torchship
