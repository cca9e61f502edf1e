#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {
namespace {

using compute::Cell;

/// The arguments of aten::lstm and aten::gru.
struct Arguments {
  ValueId input = 0;
  std::vector<Array>
      first;  ///< [layers * directions, batch, hidden]: the hidden state, of an LSTM the cells'.
  std::vector<at::Tensor> weights;
  bool has_biases = false;
  std::int64_t layers = 0;
  bool is_bidirectional = false;
  bool is_batch_first = false;

  std::size_t directions() const { return is_bidirectional ? 2 : 1; }
  /// Those of one layer and direction.
  const at::Tensor* parameters(std::size_t place) const {
    return weights.data() + place * (has_biases ? 4 : 2);
  }
};

std::optional<std::vector<Array>> states(Planner& planner, ValueId id, Cell cell) {
  std::vector<Array> found;
  if (cell == Cell::gru) {
    if (!planner.is_array(id)) return std::nullopt;
    return std::vector<Array>{planner.contiguous(planner.array(id))};
  }
  if (planner.is_fixed(id)) {
    const auto tensors = planner.weights(id);
    if (!tensors || tensors->size() != 2) return std::nullopt;
    for (const at::Tensor& tensor : *tensors)
      found.push_back(planner.constant(tensor.contiguous()));
    return found;
  }
  const auto* const parts = planner.items(id);
  if (parts == nullptr || parts->size() != 2) return std::nullopt;
  for (const ValueId part : std::vector<ValueId>(*parts)) {
    if (!planner.is_array(part)) return std::nullopt;
    found.push_back(planner.contiguous(planner.array(part)));
  }
  return found;
}

/// Nothing where tensors are packed sequences, projected, in training, or not known.
std::optional<Arguments> arguments_of(Planner& planner, const ObservedOperation& operation,
                                      Cell cell) {
  const auto& inputs = operation.inputs;
  if (inputs.size() != 9) return std::nullopt;
  const auto weights = planner.weights(inputs[2]);
  const auto has_biases = planner.boolean(inputs[3]), is_training = planner.boolean(inputs[6]);
  const auto layers = planner.integer(inputs[4]);
  const auto is_bidirectional = planner.boolean(inputs[7]),
             is_batch_first = planner.boolean(inputs[8]);
  if (!weights || !has_biases || !layers || !is_training || *is_training || !is_bidirectional ||
      !is_batch_first || !planner.is_array(inputs[0]) ||
      planner.tensor(inputs[0])->sizes.size() != 3) {
    return std::nullopt;
  }
  Arguments found{.input = inputs[0],
                  .first = {},
                  .weights = *weights,
                  .has_biases = *has_biases,
                  .layers = *layers,
                  .is_bidirectional = *is_bidirectional,
                  .is_batch_first = *is_batch_first};
  const auto count = static_cast<std::size_t>(*layers) * found.directions() * (*has_biases ? 4 : 2);
  if (found.weights.size() != count) return std::nullopt;
  const auto first = states(planner, inputs[1], cell);
  if (!first) return std::nullopt;
  found.first = *first;
  return found;
}

const float* pack(Planner& planner, const at::Tensor* parameters, bool has_biases, Cell cell,
                  std::int64_t inputs, std::int64_t hidden) {
  const std::size_t count = has_biases ? 4 : 2;
  std::vector<at::Tensor> dense;
  for (std::size_t i = 0; i < count; ++i) dense.push_back(parameters[i].contiguous());
  compute::RecurrentWeights weights{.cell = cell,
                                    .inputs = inputs,
                                    .hidden = hidden,
                                    .input_weight = dense[0].const_data_ptr<float>(),
                                    .hidden_weight = dense[1].const_data_ptr<float>()};
  if (has_biases) {
    weights.input_bias = dense[2].const_data_ptr<float>();
    weights.hidden_bias = dense[3].const_data_ptr<float>();
  }
  const auto& kernels = planner.kernels();
  const std::string use = std::string(cell == Cell::lstm ? "lstm " : "gru ") +
                          std::to_string(inputs) + ' ' + std::to_string(hidden);
  return planner.pack(
      std::vector<at::Tensor>(parameters, parameters + count), use,
      kernels.packed_recurrent_size(weights),
      [weights, dense, pack = kernels.pack_recurrent](float* packed) { pack(weights, packed); });
}

/// [steps, batch, ..]: strides of steps and batch.
void take_strides(const Array& array, bool is_batch_first, std::int64_t (&strides)[2]) {
  strides[0] = array.strides[is_batch_first ? 1 : 0];
  strides[1] = array.strides[is_batch_first ? 0 : 1];
}

struct Direction {
  compute::RecurrentLayer layer;
  Array input, result, first_hidden, first_cell, last_hidden, last_cell;
};

Array slice(const Array& states, std::size_t place) {
  Array one = states;
  one.offset += static_cast<std::int64_t>(place) * states.strides[0];
  return one;
}

/// LibTorch takes weights that are wider than what they are given.
bool have_sizes(const Arguments& found, std::int64_t rows, std::int64_t hidden,
                std::int64_t width) {
  const std::size_t step = found.has_biases ? 4 : 2;
  for (std::size_t i = 0; i < found.weights.size(); i += step) {
    const bool is_first = i / step < found.directions();
    const std::int64_t inputs =
        is_first ? width : hidden * static_cast<std::int64_t>(found.directions());
    const at::Tensor* const own = found.weights.data() + i;
    const bool fits = own[0].sizes() == at::IntArrayRef{rows, inputs} &&
                      own[1].sizes() == at::IntArrayRef{rows, hidden} &&
                      (step == 2 || (own[2].numel() == rows && own[3].numel() == rows));
    if (!fits) return false;
  }
  return true;
}

/// The states of all layers after the last step.
struct LastStates {
  Array hidden, cell;  ///< `cell` of an LSTM alone.
};

Direction make_direction(Planner& planner, const Arguments& found, const LastStates& last,
                         Cell cell, std::size_t place, const Array& input, const Array& result) {
  const std::size_t d = place % found.directions();
  const std::int64_t hidden = last.hidden.sizes[2];
  const std::size_t steps = found.is_batch_first ? 1 : 0;
  Direction part{.layer = {.cell = cell,
                           .steps = input.sizes[steps],
                           .batch = input.sizes[1 - steps],
                           .inputs = input.sizes[2],
                           .hidden = hidden,
                           .backward = d == 1},
                 .input = input,
                 .result = result,
                 .first_hidden = slice(found.first[0], place),
                 .first_cell = {},
                 .last_hidden = slice(last.hidden, place),
                 .last_cell = {}};
  part.result.offset += static_cast<std::int64_t>(d) * hidden;
  take_strides(input, found.is_batch_first, part.layer.input_strides);
  take_strides(result, found.is_batch_first, part.layer.result_strides);
  if (cell == Cell::lstm) {
    part.first_cell = slice(found.first[1], place);
    part.last_cell = slice(last.cell, place);
  }
  part.layer.weight =
      pack(planner, found.parameters(place), found.has_biases, cell, input.sizes[2], hidden);
  planner.need_scratch(planner.kernels().run_recurrent_scratch(part.layer));
  return part;
}

compute::RecurrentLayer bound_to(const Direction& part, const Frame& frame) {
  compute::RecurrentLayer bound = part.layer;
  bound.input = frame.at(part.input);
  bound.result = frame.at(part.result);
  bound.first_hidden = frame.at(part.first_hidden);
  bound.last_hidden = frame.at(part.last_hidden);
  if (bound.cell == Cell::lstm) {
    bound.first_cell = frame.at(part.first_cell);
    bound.last_cell = frame.at(part.last_cell);
  }
  return bound;
}

double operations_of(const compute::RecurrentLayer& layer) {
  const double gates = layer.cell == Cell::lstm ? 4 : 3;
  return 2.0 * gates * static_cast<double>(layer.steps * layer.batch * layer.hidden) *
         static_cast<double>(layer.inputs + layer.hidden);
}

constexpr std::size_t kMostParts = 16;  ///< Layers times directions of one step.

/// Note [Threads that wait for each other]
/// Threads of a stack meet after each step. Where something else runs on their cores, each meeting
/// may take as long as the system lets it run: so after a call that took much longer than another
/// one has, one thread makes some calls alone. Results are the same.
class Pace {
 public:
  bool is_alone() {
    if (calls_alone_.load(std::memory_order_relaxed) <= 0) return false;
    calls_alone_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  void note(std::chrono::nanoseconds taken) {
    const auto shortest = shortest_.load(std::memory_order_relaxed);
    if (taken.count() < shortest) {
      shortest_.store(taken.count(), std::memory_order_relaxed);
    } else if (taken.count() > 4 * shortest) {
      calls_alone_.store(kCallsAlone, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr int kCallsAlone = 50;
  std::atomic<int> calls_alone_ = 0;
  std::atomic<std::int64_t> shortest_ = std::numeric_limits<std::int64_t>::max() / 4;
};

/// Consecutive layers that one step runs.
struct Stack {
  std::vector<Direction> parts;  ///< [layers][directions]
  std::size_t directions = 1;
  std::shared_ptr<Pace> pace = std::make_shared<Pace>();

  std::size_t layers() const { return parts.size() / directions; }
  void run(const compute::Kernels& kernels, Frame& frame) const;
};

void Stack::run(const compute::Kernels& kernels, Frame& frame) const {
  std::array<compute::RecurrentLayer, kMostParts> bound;
  for (std::size_t i = 0; i < parts.size(); ++i) bound[i] = bound_to(parts[i], frame);
  std::array<compute::RecurrentProgress, compute::kMostRecurrentThreads> progress{};
  const compute::RecurrentStack stack{.layers = bound.data(),
                                      .layer_count = static_cast<int>(layers()),
                                      .directions = static_cast<int>(directions),
                                      .progress = progress.data()};
  int threads = kernels.run_recurrent_threads(stack, frame.threads());
  if (threads > 1 && pace->is_alone()) threads = 1;
  const auto begun = std::chrono::steady_clock::now();
  run_team(threads, [&](compute::Share share) {
    kernels.run_recurrent(stack, share, frame.scratch(share.index));
  });
  if (threads > 1) pace->note(std::chrono::steady_clock::now() - begun);
}

std::string detail_of(const Stack& stack) {
  const compute::RecurrentLayer& first = stack.parts.front().layer;
  const std::size_t layers = stack.layers();
  return std::to_string(layers) + (layers == 1 ? " layer" : " layers") +
         (stack.directions == 2 ? ", bidirectional" : "") + ", " + std::to_string(first.inputs) +
         " to " + std::to_string(first.hidden) + ", " + std::to_string(first.steps) +
         (first.steps == 1 ? " step" : " steps") + ", batch " + std::to_string(first.batch);
}

/// The step of layers `from` to `to`; returns the last one's result. What is between them has two
/// places in turn.
Array emit_layers(Planner& planner, const Arguments& found, const LastStates& last, Cell cell,
                  std::size_t from, std::size_t to, Array input) {
  Step step{.kernel = cell == Cell::lstm ? "lstm" : "gru",
            .operators = {},
            .run = {},
            .reads = {input.buffer, found.first[0].buffer},
            .writes = {last.hidden.buffer},
            .operations = 0,
            .detail = ""};
  if (cell == Cell::lstm) {
    step.reads.push_back(found.first[1].buffer);
    step.writes.push_back(last.cell.buffer);
  }
  Stack stack{.parts = {}, .directions = found.directions()};
  Sizes sizes = input.sizes;
  sizes[2] = last.hidden.sizes[2] * static_cast<std::int64_t>(found.directions());
  std::vector<Array> between;
  for (std::size_t layer = from; layer < to; ++layer) {
    const bool is_new = layer + 1 == to || between.size() < 2;
    const Array result = is_new ? planner.make_array(sizes) : between[(layer - from) % 2];
    if (is_new) {
      step.writes.push_back(result.buffer);
      between.push_back(result);
    }
    for (std::size_t d = 0; d < found.directions(); ++d) {
      const std::size_t place = layer * found.directions() + d;
      stack.parts.push_back(make_direction(planner, found, last, cell, place, input, result));
      step.operations += operations_of(stack.parts.back().layer);
    }
    input = result;
  }
  step.detail = detail_of(stack);
  step.run = [stack = std::move(stack), &kernels = planner.kernels()](Frame& frame) {
    stack.run(kernels, frame);
  };
  planner.emit(std::move(step));
  return input;
}

bool lower_recurrent(Planner& planner, std::size_t index, Cell cell) {
  const ObservedOperation& operation = planner.operation(index);
  const auto found = arguments_of(planner, operation, cell);
  if (!found) return false;
  const std::int64_t gates = cell == Cell::lstm ? 4 : 3;
  const std::int64_t hidden = found->weights[1].size(1);
  if (found->weights[1].size(0) != gates * hidden) return false;  // Projected.
  Array input = planner.array(found->input);
  if (input.sizes[2] != 1 && input.strides[2] != 1) input = planner.contiguous(input);
  if (!have_sizes(*found, gates * hidden, hidden, input.sizes[2])) return false;
  if (input.sizes[0] == 0 || input.sizes[1] == 0) return false;
  LastStates last{.hidden = planner.make_array(planner.tensor(operation.outputs[1])->sizes),
                  .cell = {}};
  if (cell == Cell::lstm) last.cell = planner.make_array(last.hidden.sizes);
  planner.absorb(index);
  const auto layers = static_cast<std::size_t>(found->layers);
  const std::size_t most = kMostParts / found->directions();
  for (std::size_t from = 0; from < layers; from += most) {
    input = emit_layers(planner, *found, last, cell, from, std::min(from + most, layers), input);
  }
  planner.bind(operation.outputs[0], input);
  planner.bind(operation.outputs[1], last.hidden);
  if (cell == Cell::lstm) planner.bind(operation.outputs[2], last.cell);
  return true;
}

}  // namespace

bool lower_lstm(Planner& planner, std::size_t index) {
  return lower_recurrent(planner, index, Cell::lstm);
}

bool lower_gru(Planner& planner, std::size_t index) {
  return lower_recurrent(planner, index, Cell::gru);
}

}  // namespace torchship
