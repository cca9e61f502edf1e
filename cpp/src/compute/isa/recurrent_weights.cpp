#include "compute/isa/recurrent_weights.h"

#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Weights of gates [gate * hidden, depth] as [block][depth][gate][lane].
void pack_blocks(const float* matrix, std::int64_t gates, std::int64_t hidden, std::int64_t depth,
                 float* packed) {
  for (std::int64_t block = 0; block < blocks_of(hidden); ++block) {
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t gate = 0; gate < gates; ++gate) {
        for (std::int64_t unit = block * kLanes; unit < (block + 1) * kLanes; ++unit) {
          *packed++ = unit < hidden ? matrix[(gate * hidden + unit) * depth + k] : 0.0F;
        }
      }
    }
  }
}

/// The bias that is added where `place` says: see kBiases.
float bias_of(const RecurrentWeights& weights, int place, std::int64_t unit) {
  const bool candidate = weights.cell == Cell::gru && place >= 2;
  const std::int64_t from = (candidate ? 2 : place) * weights.hidden + unit;
  float bias = 0.0F;
  if (weights.input_bias && !(candidate && place == 3)) {
    bias += weights.input_bias[from];
  }
  if (weights.hidden_bias && !(candidate && place == 2)) {
    bias += weights.hidden_bias[from];
  }
  return bias;
}

void pack_biases(const RecurrentWeights& weights, float* packed) {
  for (std::int64_t block = 0; block < blocks_of(weights.hidden); ++block) {
    for (int place = 0; place < kBiases; ++place) {
      for (std::int64_t unit = block * kLanes; unit < (block + 1) * kLanes; ++unit) {
        *packed++ = unit < weights.hidden ? bias_of(weights, place, unit) : 0.0F;
      }
    }
  }
}

}  // namespace

std::int64_t packed_recurrent_size(const RecurrentWeights& weights) {
  const std::int64_t gates = gates_of(weights.cell);
  return blocks_of(weights.hidden) * kLanes * (kBiases + (weights.inputs + weights.hidden) * gates);
}

void pack_recurrent(const RecurrentWeights& weights, float* packed) {
  const std::int64_t gates = gates_of(weights.cell);
  const std::int64_t units = blocks_of(weights.hidden) * kLanes;
  float* const input_matrix = packed + units * kBiases;
  float* const hidden_matrix = input_matrix + units * weights.inputs * gates;
  pack_biases(weights, packed);
  pack_blocks(weights.input_weight, gates, weights.hidden, weights.inputs, input_matrix);
  pack_blocks(weights.hidden_weight, gates, weights.hidden, weights.hidden, hidden_matrix);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
