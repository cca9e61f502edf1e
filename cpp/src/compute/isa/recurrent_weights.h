#pragma once

// Note [Blocks of hidden units]
// kLanes hidden units are a block. A block's part of a weight matrix is [depth][gate][lane], so that
// one pass over it leaves all gates of its units side by side in registers, ready to become their next
// state. The last block is padded with zeros. Packed weights are: biases [block][4][lane], the input
// matrix and the hidden matrix, [block][depth][gate][lane] each.
//
// The input's part of the gates, [row][block][gate][lane], is one product for many steps at once. Then
// each step reads the hidden matrix once, for all rows of the batch; the state it reads is the
// previous step's rows of the result. For one row the second-level cache's bandwidth is the limit.

#include <cstdint>

#include "compute/isa/vector.h"
#include "compute/recurrent.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// Of a block. LSTM: of each gate; GRU: r, z, n of the input, n of the hidden state.
inline constexpr int kBiases = 4;

constexpr int gates_of(Cell cell) { return cell == Cell::lstm ? 4 : 3; }
constexpr std::int64_t blocks_of(std::int64_t units) { return (units + kLanes - 1) / kLanes; }

}  // namespace torchship::compute::TORCHSHIP_LEVEL
