#include <optional>
#include <string>

#include "planned/lower/lowerings.h"
#include "planned/team.h"

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
  return planner.pack(std::vector<at::Tensor>(parameters, parameters + count), use,
                      kernels.packed_recurrent_size(weights),
                      [&](float* packed) { kernels.pack_recurrent(weights, packed); });
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

/// The step of one layer, whose directions may run at once; returns its result.
Array emit_layer(Planner& planner, const Arguments& found, const LastStates& last, Cell cell,
                 std::size_t layer, const Array& input) {
  Sizes sizes = input.sizes;
  sizes[2] = last.hidden.sizes[2] * static_cast<std::int64_t>(found.directions());
  const Array result = planner.make_array(sizes);
  Step step{.kernel = cell == Cell::lstm ? "lstm layer" : "gru layer",
            .operators = {},
            .run = {},
            .reads = {input.buffer, found.first[0].buffer},
            .writes = {result.buffer, last.hidden.buffer},
            .operations = 0,
            .detail = ""};
  if (cell == Cell::lstm) {
    step.reads.push_back(found.first[1].buffer);
    step.writes.push_back(last.cell.buffer);
  }
  std::vector<Direction> parts;
  for (std::size_t d = 0; d < found.directions(); ++d) {
    const std::size_t place = layer * found.directions() + d;
    parts.push_back(make_direction(planner, found, last, cell, place, input, result));
    step.operations += operations_of(parts.back().layer);
  }
  step.run = [parts = std::move(parts), run = planner.kernels().run_recurrent](Frame& frame) {
    const int count = static_cast<int>(parts.size());
    run_team(std::min(frame.threads(), count), [&](compute::Share share) {
      for (int i = share.index; i < count; i += share.count) {
        run(bound_to(parts[static_cast<std::size_t>(i)], frame), frame.scratch(share.index));
      }
    });
  };
  planner.emit(std::move(step));
  return result;
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
  for (std::size_t i = 0; i < static_cast<std::size_t>(found->layers); ++i) {
    input = emit_layer(planner, *found, last, cell, i, input);
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
