#pragma once

#include <cstdint>
#include <vector>

namespace torchship::compute {

/// One instruction of a pointwise program: register[result] = operation(register[a], register[b],
/// register[c]).
enum class Operation : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  power,         // of a and b
  multiply_add,  // a * b + c
  affine,        // a * first + second
  negate,
  absolute,
  square,
  square_root,
  reciprocal,
  reciprocal_square_root,
  exponential,
  logarithm,
  log1p,
  expm1,
  error_function,
  sine,
  cosine,
  floor,
  ceil,
  round,
  truncate,
  sign,
  relu,
  leaky_relu /* first: slope */,
  elu /* first: alpha */,
  gelu,
  gelu_tanh,
  silu,
  sigmoid,
  tanh,
  hardswish,
  hardsigmoid,
  hardtanh /* first, second: bounds */,
  softplus /* first: beta, second: threshold */,
  mish,
  clamp_least /* first */,
  clamp_most /* first */,
  power_of /* a to the power first */,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,  // 1 or 0
  logical_and,
  logical_or,
  logical_not,
  where,  // a != 0 ? b : c
};

struct Instruction {
  Operation operation;
  std::uint8_t result =
      0;  ///< Registers: the inputs come first, then the constants; written ones may be used again.
  std::uint8_t a = 0, b = 0, c = 0;
  float first = 0, second = 0;
};

/// A chain of pointwise operations evaluated in tiles that stay in the first cache. All float32.
/// Operands have the sizes `sizes` and any strides, 0 where they are broadcast; results likewise.
struct PointwiseProgram {
  std::vector<Instruction> instructions;
  std::vector<float> constants;  ///< Registers after the inputs.
  int inputs = 0;
  int registers = 0;                  ///< Of all; at most 64.
  std::vector<std::uint8_t> results;  ///< The registers that are stored, in the results' order.
};

/// What a program is run on: `dimensions` sizes, the innermost last, adjacent ones merged where all
/// strides allow (collapse()).
struct PointwiseCall {
  static constexpr int kMostDimensions = 6;
  static constexpr int kMostOperands = 32;  ///< Inputs and results.
  int dimensions = 0;
  std::int64_t sizes[kMostDimensions] = {};
  std::int64_t strides[kMostOperands][kMostDimensions] = {};  ///< In floats; inputs, then results.
};

/// Drops dimensions of size 1, puts those first whose strides are largest, and merges what can be
/// one.
void collapse(PointwiseCall& call, int operands);

/// Rows [rows, columns], each contiguous with a stride between; result likewise. float32.
struct Normalisation {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const float* input = nullptr;
  std::int64_t input_stride = 0;
  float* result = nullptr;
  std::int64_t result_stride = 0;
  const float* weight = nullptr;  ///< Of norms: [columns], or null.
  const float* bias = nullptr;
  const float* residual = nullptr;  ///< Of norms: added to the input before, or null.
  std::int64_t residual_stride = 0;
  float* sum = nullptr;  ///< Where input + residual goes, or null.
  std::int64_t sum_stride = 0;
  double epsilon = 0;
};

/// Group norm, and with as many groups as channels instance norm, of dense images: mean and biased
/// variance are those of a group's channels at all positions of one image.
struct GroupNorm {
  std::int64_t batch = 0;
  std::int64_t positions = 0;  ///< Pixels.
  std::int64_t channels = 0;
  std::int64_t groups = 1;     ///< They divide the channels.
  bool channels_last = false;  ///< [batch, positions, channels], else [batch, channels, positions].
  const float* input = nullptr;
  float* result = nullptr;        ///< May be the input.
  const float* weight = nullptr;  ///< [channels], or null.
  const float* bias = nullptr;    ///< The same.
  double epsilon = 0;
};

/// sum or mean or maximum of [outer, reduced, inner] over the middle: result [outer, inner], dense.
enum class Reduction : std::uint8_t { sum, mean, maximum, minimum };
struct Reducing {
  Reduction reduction = Reduction::sum;
  std::int64_t outer = 0, reduced = 0, inner = 0;
  const float* input = nullptr;
  float* result = nullptr;
};

/// A copy between strides: of elements of 4 bytes.
struct Copying {
  static constexpr int kMostDimensions = 8;
  int dimensions = 0;
  std::int64_t sizes[kMostDimensions] = {};
  std::int64_t from_strides[kMostDimensions] = {};
  std::int64_t to_strides[kMostDimensions] = {};
  const void* from = nullptr;
  void* to = nullptr;
};

}  // namespace torchship::compute
