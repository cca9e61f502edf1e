#pragma once

#include <cstdint>

namespace torchship::compute {

enum class Cell : std::uint8_t { lstm, gru };

/// One layer, in one direction, of an LSTM or GRU; float32, torch.nn's equations and order of
/// gates. input [steps, batch, inputs], hidden state [batch, hidden], result [steps, batch,
/// hidden].
struct RecurrentLayer {
  Cell cell = Cell::lstm;
  std::int64_t steps = 0, batch = 0, inputs = 0, hidden = 0;
  bool backward = false;  ///< From the last step to the first; results stay at their steps.
  const float* input = nullptr;
  std::int64_t input_strides[2] = {};  ///< Of steps and batch, in floats.
  float* result = nullptr;
  std::int64_t result_strides[2] = {};  ///< Of steps and batch; a direction of two writes its half.
  const float* first_hidden = nullptr;  ///< [batch, hidden], or null for zeros.
  const float* first_cell = nullptr;    ///< LSTM alone.
  float* last_hidden = nullptr;         ///< [batch, hidden], or null where nobody asks.
  float* last_cell = nullptr;
  const float* weight =
      nullptr;  ///< As Kernels::pack_recurrent wrote it: both matrices, both biases.
};

/// How often a thread met the others: of its direction, and of the whole team. On a cache line of
/// its own.
struct alignas(64) RecurrentProgress {
  std::uint32_t of_group = 0;
  std::uint32_t of_team = 0;
};

inline constexpr int kMostRecurrentThreads = 16;

/// Layers of which each reads what the one before wrote. They have the same cell, steps, batch,
/// hidden units and number of directions; the two directions of a layer write halves of one result.
/// The layer after the next may write where a layer wrote.
///
/// The threads of a team wait for each other: all shares of a call must run at the same time, each
/// on a thread of its own.
struct RecurrentStack {
  const RecurrentLayer* layers = nullptr;  ///< [layer_count][directions]
  int layer_count = 1;
  int directions = 1;
  /// Of the whole team, zeros before each call: kMostRecurrentThreads. May be null for one thread.
  RecurrentProgress* progress = nullptr;
};

/// torch.nn's parameters of the layer: weight_ih [gates * hidden, inputs], weight_hh [gates *
/// hidden, hidden], biases [gates * hidden] or null.
struct RecurrentWeights {
  Cell cell = Cell::lstm;
  std::int64_t inputs = 0, hidden = 0;
  const float* input_weight = nullptr;
  const float* hidden_weight = nullptr;
  const float* input_bias = nullptr;
  const float* hidden_bias = nullptr;
};

}  // namespace torchship::compute
