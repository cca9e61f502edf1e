#pragma once

#include <memory>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// The graph with a check before every LSTM that its input, states and weights fit each other; the
/// same graph where it has none.
///
/// LibTorch's fast LSTM for the CPU looks at no size but the number of weights: with an input that is
/// too narrow it reads what lies behind, and gives an answer.
std::shared_ptr<torch::jit::Graph> with_lstm_checks(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchship
