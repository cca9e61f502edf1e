#include <cstdint>

#include "compute/isa/entries.h"
#include "compute/isa/pointwise_operations.h"
#include "compute/isa/tiles.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

// Note [Tiles]
// A program runs over tiles of up to kTile elements, one instruction after the other, so that what
// is on the way stays in the first cache. A tile is a part of one row of the innermost dimension
// or, where rows are short, some whole rows. Operands that lie in the tile as they lie in memory
// are used there; scalars are no more than their address; the rest is brought into the register's
// own memory, in scratch.

constexpr std::int64_t kTile = 512;
constexpr int kMostRegisters = 64;

void copy_row(float* to, const float* from, std::int64_t count) {
  loop(to, false, count, [](Vec value) { return value; }, FromMemory{from, false});
}

void gather(float* to, const float* from, std::int64_t rows, std::int64_t columns, Layout layout) {
  for (std::int64_t row = 0; row < rows; ++row, to += columns, from += layout.row) {
    if (layout.column == 1) {
      copy_row(to, from, columns);
    } else if (layout.column == 0) {
      loop(to, false, columns, [](Vec value) { return value; }, FromScalar{broadcast(*from)});
    } else {
      for (std::int64_t column = 0; column < columns; ++column)
        to[column] = from[column * layout.column];
    }
  }
}

void scatter(float* to, Operand from, std::int64_t rows, std::int64_t columns, Layout layout) {
  const std::int64_t step = from.is_scalar ? 0 : 1;
  const float* values = from.values;
  for (std::int64_t row = 0; row < rows; ++row, to += layout.row, values += step * columns) {
    if (layout.column == 1 && step == 1) {
      copy_row(to, values, columns);
    } else {
      for (std::int64_t column = 0; column < columns; ++column)
        to[column * layout.column] = values[column * step];
    }
  }
}

Tiling tiling_of(const PointwiseCall& call) {
  const std::int64_t columns = call.dimensions > 0 ? call.sizes[call.dimensions - 1] : 1;
  const bool are_short = columns > 0 && columns < kTile;
  return cut_into_tiles(call.sizes, call.dimensions, are_short ? kTile / columns : 1, kTile);
}

/// A program's run over the tiles of one thread.
class Run {
 public:
  Run(const PointwiseProgram& program, const PointwiseCall& call, const float* const* inputs,
      float* const* results, float* scratch)
      : instructions_(program.instructions.data()),
        instruction_count_(static_cast<std::int64_t>(program.instructions.size())),
        stored_(program.results.data()),
        result_count_(static_cast<int>(program.results.size())),
        input_count_(program.inputs),
        call_(call),
        inputs_(inputs),
        results_(results),
        scratch_(scratch),
        tiling_(tiling_of(call)) {
    for (std::int64_t i = 0; i < instruction_count_; ++i) written_ |= bit(instructions_[i].result);
    const auto constants = static_cast<int>(program.constants.size());
    constants_ = {program.constants.data(), constants};
    for (int i = 0; i < input_count_; ++i) brought_[i] = nullptr;
  }

  void tiles(Share share) {
    for_each_tile(tiling_, share, [this](const Position& position) { run_tile(position); });
  }

 private:
  struct Constants {
    const float* values;
    int count;
  };

  static std::uint64_t bit(int index) { return std::uint64_t{1} << index; }
  float* memory_of(int index) const { return scratch_ + index * kTile; }
  const std::int64_t* strides(int operand) const { return call_.strides[operand]; }
  Layout layout(int operand) const { return layout_of(strides(operand), call_.dimensions); }

  void run_tile(const Position& position) {
    rows_ = position.rows();
    columns_ = position.columns();
    for (int input = 0; input < input_count_; ++input) bring(input, position);
    for (int i = 0; i < constants_.count; ++i)
      registers_[input_count_ + i] = {constants_.values + i, true, false};
    std::uint64_t direct = 0;
    for (int result = 0; result < result_count_; ++result) {
      const Layout there = layout(input_count_ + result);
      float* const to = results_[result] + position.offset(strides(input_count_ + result), there);
      to_[result] = to;
      const int index = stored_[result];
      if (!is_contiguous(there) || is_an_input(results_[result]) || (direct & bit(index)) != 0)
        continue;
      direct |= bit(index);
      direct_[index] = to;
    }
    for (std::int64_t i = 0; i < instruction_count_; ++i) {
      const Instruction& instruction = instructions_[i];
      const int index = instruction.result;
      const bool in_scratch = (direct & bit(index)) == 0;
      float* const to = in_scratch ? memory_of(index) : direct_[index];
      execute({instruction, registers_[instruction.a], registers_[instruction.b],
               registers_[instruction.c], to, in_scratch, rows_ * columns_});
      registers_[index] = {to, false, in_scratch};
    }
    for (int result = 0; result < result_count_; ++result) {
      const Operand value = registers_[stored_[result]];
      if (value.values == to_[result]) continue;
      scatter(to_[result], value, rows_, columns_, layout(input_count_ + result));
    }
  }

  bool is_contiguous(Layout there) const {
    return (there.column == 1 || columns_ == 1) && (there.row == columns_ || rows_ == 1);
  }

  /// Results in an input's memory are stored when the tile is done, so that all instructions see
  /// the input.
  bool is_an_input(const float* result) const {
    for (int input = 0; input < input_count_; ++input) {
      if (inputs_[input] == result) return true;
    }
    return false;
  }

  void bring(int input, const Position& position) {
    const Layout there = layout(input);
    const float* const from = inputs_[input] + position.offset(strides(input), there);
    if ((there.column == 0 || columns_ == 1) && (there.row == 0 || rows_ == 1)) {
      registers_[input] = {from, true, false};
    } else if (is_contiguous(there)) {
      registers_[input] = {from, false, false};
    } else {
      // What repeats in all rows is brought once, unless the last tile had fewer of them or wrote
      // over it.
      const bool is_there = there.row == 0 && brought_[input] == from &&
                            (written_ & bit(input)) == 0 &&
                            rows_ * columns_ <= brought_count_[input];
      if (!is_there) gather(memory_of(input), from, rows_, columns_, there);
      if (!is_there) brought_count_[input] = rows_ * columns_;
      brought_[input] = from;
      registers_[input] = {memory_of(input), false, true};
    }
  }

  const Instruction* instructions_;
  std::int64_t instruction_count_;
  const std::uint8_t* stored_;
  int result_count_;
  int input_count_;
  const PointwiseCall& call_;
  const float* const* inputs_;
  float* const* results_;
  float* scratch_;
  Tiling tiling_;
  Constants constants_;
  std::uint64_t written_ = 0;  // A bit a register.

  // Of the tile.
  std::int64_t rows_;
  std::int64_t columns_;
  Operand registers_[kMostRegisters];
  float* direct_[kMostRegisters];            // Where a result is written by its instruction.
  float* to_[PointwiseCall::kMostOperands];  // Where results go.
  const float* brought_[PointwiseCall::kMostOperands];  // Where an input's memory in scratch was
                                                        // filled from,
  std::int64_t brought_count_[PointwiseCall::kMostOperands];  // and how much of it.
};

}  // namespace

std::int64_t pointwise_scratch(const PointwiseProgram& program) {
  return program.registers * kTile;
}

void pointwise(const PointwiseProgram& program, const PointwiseCall& call,
               const float* const* inputs, float* const* results, Share share, float* scratch) {
  Run(program, call, inputs, results, scratch).tiles(share);
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
