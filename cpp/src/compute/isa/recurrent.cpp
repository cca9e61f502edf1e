#include "compute/recurrent.h"

#include <cstddef>
#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/math.h"
#include "compute/isa/meeting.h"
#include "compute/isa/recurrent_weights.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

constexpr std::int64_t kRowsAtOnce = 64;  // Of the input product; one step's at least.
// Of a thread in a step, in products: more than a meeting takes where cores are far from each other.
constexpr std::int64_t kLeastWork = 8192;

inline void copy_floats(const float* from, std::int64_t count, float* to) {
  __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
}
inline void fill_zeros(float* to, std::int64_t count) {
  __builtin_memset(to, 0, static_cast<std::size_t>(count) * sizeof(float));
}

/// Rows of memory, one for each step and each sequence of the batch.
template <typename Float>
struct Rows {
  Float* first = nullptr;
  std::int64_t step_stride = 0, batch_stride = 0, batch = 1;

  Float* at(std::int64_t row) const {
    return first + row / batch * step_stride + row % batch * batch_stride;
  }
  Rows from_step(std::int64_t step) const {
    return {first + step * step_stride, step_stride, batch_stride, batch};
  }
};

/// A layer's rows in the order in which its steps are taken.
template <typename Float>
Rows<Float> in_order(const RecurrentLayer& layer, Float* first, const std::int64_t* strides) {
  const Rows<Float> rows{first, strides[0], strides[1], layer.batch};
  if (!layer.backward || layer.steps == 0) {
    return rows;
  }
  return {rows.from_step(layer.steps - 1).first, -strides[0], strides[1], layer.batch};
}

/// Sizes, and where the parts of the packed weights and of the scratch begin.
struct Layout {
  explicit Layout(const RecurrentLayer& layer)
      : blocks(blocks_of(layer.hidden)),
        row_gates(blocks * gates_of(layer.cell) * kLanes),
        input_matrix(blocks * kBiases * kLanes),
        hidden_matrix(input_matrix + layer.inputs * row_gates),
        steps_at_once(smaller_of(layer.steps, divide_up(kRowsAtOnce, layer.batch > 0 ? layer.batch : 1))),
        cells(blocks * kLanes),
        gates(cells + layer.batch * blocks * kLanes),
        scratch(gates + steps_at_once * layer.batch * row_gates) {}

  std::int64_t blocks, row_gates;
  std::int64_t input_matrix, hidden_matrix;  ///< After the biases.
  std::int64_t steps_at_once;
  std::int64_t cells, gates;  ///< After zeros: the first state where none is given.
  std::int64_t scratch;
};

/// Where kRows rows begin.
template <int kRows>
struct RowStarts {
  RowStarts(const Rows<const float>& all, std::int64_t first) {
    for (int row = 0; row < kRows; ++row) {
      rows[row] = all.at(first + row);
    }
  }
  const float* rows[kRows];
};

/// The gates of kBlocks blocks for kRows rows.
template <int kGates, int kRows, int kBlocks>
struct Tile {
  Vec gates[kRows][kBlocks][kGates];
};

/// Adds one row of a block's matrix times a number of each row. Of the numbers and the weights the fewer
/// are held in registers.
template <int kGates, int kRows, int kBlocks>
[[gnu::always_inline]] inline void add_terms(const float* const (&rows)[kRows], std::int64_t k,
                                             const float* weights, int block,
                                             Tile<kGates, kRows, kBlocks>& tile) {
  if constexpr (kRows > kGates) {
    Vec held[kGates];
    for (int gate = 0; gate < kGates; ++gate) {
      held[gate] = load(weights + gate * kLanes);
    }
    for (int row = 0; row < kRows; ++row) {
      const Vec number = broadcast(rows[row][k]);
      for (int gate = 0; gate < kGates; ++gate) {
        tile.gates[row][block][gate] += number * held[gate];
      }
    }
  } else {
    Vec numbers[kRows];
    for (int row = 0; row < kRows; ++row) {
      numbers[row] = broadcast(rows[row][k]);
    }
    for (int gate = 0; gate < kGates; ++gate) {
      const Vec weight = load(weights + gate * kLanes);
      for (int row = 0; row < kRows; ++row) {
        tile.gates[row][block][gate] += numbers[row] * weight;
      }
    }
  }
}

/// Adds the product of rows and the matrix of the first block; the next is `block_size` floats on.
/// A function of its own, so that all registers are for its loop.
template <int kGates, int kRows, int kBlocks>
[[gnu::noinline]] void add_product(const float* const* row_starts, std::int64_t depth,
                                   const float* matrix, std::int64_t block_size,
                                   Tile<kGates, kRows, kBlocks>& sums) {
  const float* rows[kRows];
  for (int row = 0; row < kRows; ++row) {
    rows[row] = row_starts[row];
  }
  Tile<kGates, kRows, kBlocks> tile = sums;
  for (std::int64_t k = 0; k < depth; ++k, matrix += kGates * kLanes) {
    for (int block = 0; block < kBlocks; ++block) {
      add_terms(rows, k, matrix + block * block_size, block, tile);
    }
  }
  sums = tile;
}

template <int kRows, typename Function>
[[gnu::always_inline]] inline void with_rows(std::int64_t rows, const Function& function) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return with_rows<kRows - 1>(rows, function);
    }
  }
  function.template operator()<kRows>();
}

/// Calls tile<kRows, kBlocks>(row, block) until all are done, upwards or downwards in blocks. A block's
/// weights stay in the first cache for all its rows. Rows are dealt out evenly, and a single row
/// takes two blocks, as a few sums alone would wait for each other's additions.
template <int kGates, typename Function>
void for_each_tile(std::int64_t rows, Range blocks, bool downwards, const Function& tile) {
  constexpr int kMostRows = kRegisters * 3 / 4 / kGates;  // Three quarters of the registers are sums.
  const std::int64_t blocks_each = rows == 1 ? 2 : 1;
  const std::int64_t turns = divide_up(blocks.size(), blocks_each);
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    const std::int64_t block = blocks.begin + (downwards ? turns - 1 - turn : turn) * blocks_each;
    if (rows == 1 && block + 1 < blocks.end) {
      tile.template operator()<1, 2>(0, block);
      continue;
    }
    std::int64_t tiles = divide_up(rows, kMostRows);
    for (std::int64_t row = 0; row < rows; --tiles) {
      const std::int64_t count = divide_up(rows - row, tiles);
      with_rows<kMostRows>(count, [&]<int kRows> { tile.template operator()<kRows, 1>(row, block); });
      row += count;
    }
  }
}

/// The input's part of the blocks' gates, and the biases that can be added with it.
template <int kGates>
void multiply_inputs(const RecurrentLayer& layer, const Layout& layout, Range blocks,
                     Rows<const float> inputs, std::int64_t rows, float* gates) {
  const std::int64_t block_size = layer.inputs * kGates * kLanes;
  const auto multiply_tile = [&]<int kRows, int kBlocks>(std::int64_t row, std::int64_t block) {
    Tile<kGates, kRows, kBlocks> tile;
    for (int r = 0; r < kRows; ++r) {
      for (int b = 0; b < kBlocks; ++b) {
        for (int gate = 0; gate < kGates; ++gate) {
          tile.gates[r][b][gate] = load(layer.weight + ((block + b) * kBiases + gate) * kLanes);
        }
      }
    }
    const RowStarts<kRows> starts(inputs, row);
    add_product(starts.rows, layer.inputs, layer.weight + layout.input_matrix + block * block_size,
                block_size, tile);
    for (int r = 0; r < kRows; ++r) {
      for (int b = 0; b < kBlocks; ++b) {
        for (int gate = 0; gate < kGates; ++gate) {
          store(gates + (row + r) * layout.row_gates + ((block + b) * kGates + gate) * kLanes,
                tile.gates[r][b][gate]);
        }
      }
    }
  };
  for_each_tile<kGates>(rows, blocks, false, multiply_tile);
}

/// What one step reads and writes.
struct Step {
  Rows<const float> before;  ///< The hidden state.
  Rows<float> after;
  const float* gates;  ///< The input's part, [batch, row_gates].
  float* cells;        ///< [batch, units].
  bool downwards;
};

/// Memory that a block of units may fill in part.
[[gnu::always_inline]] inline Vec load_units(const float* from, std::int64_t count) {
  return count < kLanes ? load_few(from, count) : load(from);
}
[[gnu::always_inline]] inline void store_units(float* to, Vec value, std::int64_t count) {
  count < kLanes ? store_few(to, value, count) : store(to, value);
}

/// The value itself, which no sum is fused with: of two products the compiler would fuse either, and bits
/// would change with the code around them.
inline Vec rounded(Vec value) {
#if defined(__SSE2__)
  __asm__("" : "+v"(value));
#elif defined(__aarch64__)
  __asm__("" : "+w"(value));
#endif
  return value;
}

inline Vec next_lstm(const Vec (&gates)[4], float* cells) {
  const Vec fresh = rounded(sigmoid(gates[0]) * hyperbolic_tangent(gates[2]));
  const Vec cell = sigmoid(gates[1]) * load(cells) + fresh;
  store(cells, cell);
  return sigmoid(gates[3]) * hyperbolic_tangent(cell);
}

/// The last of the gates has the hidden state's part alone.
inline Vec next_gru(const Vec (&gates)[3], Vec input_gate, Vec before) {
  const Vec fresh = hyperbolic_tangent(input_gate + sigmoid(gates[0]) * gates[2]);
  return sigmoid(gates[1]) * (before - fresh) + fresh;
}

template <int kGates>
void take_step(const RecurrentLayer& layer, const Layout& layout, Range blocks, const Step& step) {
  constexpr bool kGru = kGates == 3;
  const std::int64_t block_size = layer.hidden * kGates * kLanes;
  const auto step_tile = [&]<int kRows, int kBlocks>(std::int64_t row, std::int64_t block) {
    const float* const gates = step.gates + row * layout.row_gates + block * kGates * kLanes;
    Tile<kGates, kRows, kBlocks> tile;
    for (int r = 0; r < kRows; ++r) {
      for (int b = 0; b < kBlocks; ++b) {
        for (int gate = 0; gate < kGates; ++gate) {
          tile.gates[r][b][gate] =
              kGru && gate == 2 ? load(layer.weight + ((block + b) * kBiases + 3) * kLanes)
                                : load(gates + r * layout.row_gates + (b * kGates + gate) * kLanes);
        }
      }
    }
    const RowStarts<kRows> starts(step.before, row);
    add_product(starts.rows, layer.hidden, layer.weight + layout.hidden_matrix + block * block_size,
                block_size, tile);
    for (int r = 0; r < kRows; ++r) {
      for (int b = 0; b < kBlocks; ++b) {
        const std::int64_t unit = (block + b) * kLanes;
        const std::int64_t units = layer.hidden - unit;
        Vec after;
        if constexpr (kGru) {
          after = next_gru(tile.gates[r][b],
                           load(gates + r * layout.row_gates + (b * kGates + 2) * kLanes),
                           load_units(step.before.at(row + r) + unit, units));
        } else {
          after = next_lstm(tile.gates[r][b], step.cells + ((row + r) * layout.blocks * kLanes + unit));
        }
        store_units(step.after.at(row + r) + unit, after, units);
      }
    }
  };
  for_each_tile<kGates>(layer.batch, blocks, step.downwards, step_tile);
}

/// Asks for these units of a state that another thread has in its cache, as one wait instead of one for
/// each line.
template <bool kToWrite, typename Float>
void prefetch_state(const Rows<Float>& state, Range units) {
  constexpr std::int64_t kLine = 64 / sizeof(float);
  for (std::int64_t row = 0; row < state.batch; ++row) {
    const Float* const numbers = state.at(row);
    for (std::int64_t unit = units.begin; unit < units.end; unit += kLine) {
      __builtin_prefetch(numbers + unit, kToWrite ? 1 : 0);
    }
  }
}

/// The hidden units of a thread's blocks.
Range units_of(const RecurrentLayer& layer, Range blocks) {
  return {smaller_of(blocks.begin * kLanes, layer.hidden),
          smaller_of(blocks.end * kLanes, layer.hidden)};
}

/// The layer's units in `blocks`; the group has the others, and meets after each step.
template <int kGates>
void run_blocks(const RecurrentLayer& layer, const Layout& layout, Range blocks, Member& member,
                float* scratch) {
  const Rows<const float> inputs = in_order(layer, layer.input, layer.input_strides);
  const Rows<float> results = in_order(layer, layer.result, layer.result_strides);
  float* const gates = scratch + layout.gates;
  Rows<const float> before{scratch, 0, 0, layer.batch};
  if (layer.first_hidden) {
    before = {layer.first_hidden, 0, layer.hidden, layer.batch};
  }
  const Range units = units_of(layer, blocks);
  for (std::int64_t first = 0; first < layer.steps; first += layout.steps_at_once) {
    const std::int64_t steps = smaller_of(layout.steps_at_once, layer.steps - first);
    multiply_inputs<kGates>(layer, layout, blocks, inputs.from_step(first), steps * layer.batch, gates);
    for (std::int64_t step = 0; step < steps; ++step) {
      const Rows<float> after = results.from_step(first + step);
      if (!member.is_alone()) {
        prefetch_state<true>(after, units);
      }
      // Every second step goes downwards: what the step before read last is in the first cache still.
      take_step<kGates>(layer, layout, blocks,
                        {before, after, gates + step * layer.batch * layout.row_gates,
                         scratch + layout.cells, step % 2 == 1});
      before = {after.first, 0, after.batch_stride, after.batch};
      if (!member.is_alone()) {
        member.meet_group();
        prefetch_state<false>(before, {0, layer.hidden});
      }
    }
  }
  if (layer.last_hidden) {
    for (std::int64_t row = 0; row < layer.batch; ++row) {
      copy_floats(before.at(row) + units.begin, units.size(),
                  layer.last_hidden + row * layer.hidden + units.begin);
    }
  }
}

/// Cells between the caller's dense rows and the scratch's padded ones.
void load_cells(const RecurrentLayer& layer, const Layout& layout, Range units, float* cells) {
  fill_zeros(cells, layer.batch * layout.blocks * kLanes);
  for (std::int64_t row = 0; layer.first_cell && row < layer.batch; ++row) {
    copy_floats(layer.first_cell + row * layer.hidden + units.begin, units.size(),
                cells + row * layout.blocks * kLanes + units.begin);
  }
}
void store_cells(const RecurrentLayer& layer, const Layout& layout, Range units, const float* cells) {
  for (std::int64_t row = 0; layer.last_cell && row < layer.batch; ++row) {
    copy_floats(cells + row * layout.blocks * kLanes + units.begin, units.size(),
                layer.last_cell + row * layer.hidden + units.begin);
  }
}

/// One direction of a layer, of which the thread does its part.
void run_layer(const RecurrentLayer& layer, Member& member, float* scratch) {
  const Layout layout(layer);
  const Share part = member.part();
  const Range blocks = part_of(layout.blocks, part.index, part.count);
  fill_zeros(scratch, layout.cells);
  if (layer.cell == Cell::gru) {
    run_blocks<gates_of(Cell::gru)>(layer, layout, blocks, member, scratch);
    return;
  }
  const Range units = units_of(layer, blocks);
  load_cells(layer, layout, units, scratch + layout.cells);
  run_blocks<gates_of(Cell::lstm)>(layer, layout, blocks, member, scratch);
  store_cells(layer, layout, units, scratch + layout.cells);
}

/// How many threads one direction of a layer is worth.
std::int64_t most_threads(const RecurrentLayer& layer) {
  const std::int64_t step = layer.batch * gates_of(layer.cell) * layer.hidden * layer.hidden;
  const std::int64_t threads = smaller_of(step / kLeastWork, blocks_of(layer.hidden));
  return threads < 1 ? 1 : threads;
}

}  // namespace

std::int64_t run_recurrent_scratch(const RecurrentLayer& layer) { return Layout(layer).scratch; }

int run_recurrent_threads(const RecurrentStack& stack, int threads) {
  const std::int64_t most = smaller_of(threads, kMostRecurrentThreads);
  return static_cast<int>(smaller_of(most, stack.directions * most_threads(stack.layers[0])));
}

void run_recurrent(const RecurrentStack& stack, Share share, float* scratch) {
  const int count = run_recurrent_threads(stack, share.count);
  if (share.index >= count) {
    return;
  }
  // With threads enough, each direction has a group of its own.
  const int groups = count < stack.directions ? count : stack.directions;
  Member member(stack.progress, {share.index, count}, groups);
  for (int layer = 0; layer < stack.layer_count; ++layer) {
    if (layer > 0) {
      member.meet_team();
    }
    for (int direction = member.group(); direction < stack.directions; direction += groups) {
      run_layer(stack.layers[layer * stack.directions + direction], member, scratch);
    }
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
