#pragma once

// What is done to sums before they are stored: scale, bias, residual, activation (Epilogue in
// compute/matrix.h).

#include <cstdint>

#include "compute/isa/math.h"
#include "compute/isa/vector.h"
#include "compute/matrix.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

/// The first `count` floats, 0 or more: in pieces, for masked stores are slow on many CPUs.
inline void store_first(float* to, Vec value, std::int64_t count) {
  if (count >= kLanes) return store(to, value);
  const auto* from = reinterpret_cast<const char*>(&value);
  auto* bytes = reinterpret_cast<char*>(to);
#pragma GCC unroll 4
  for (int piece = kLanes / 2; piece > 0; piece /= 2) {
    if ((count & piece) == 0) continue;
    __builtin_memcpy(bytes, from, static_cast<std::size_t>(piece) * sizeof(float));
    bytes += piece * sizeof(float);
    from += piece * sizeof(float);
  }
}

/// The first `count` floats, 0 or more, and zeros.
inline Vec load_first(const float* from, std::int64_t count) {
  if (count >= kLanes) return load(from);
  Vec value{};
  auto* to = reinterpret_cast<char*>(&value);
  const auto* bytes = reinterpret_cast<const char*>(from);
#pragma GCC unroll 4
  for (int piece = kLanes / 2; piece > 0; piece /= 2) {
    if ((count & piece) == 0) continue;
    __builtin_memcpy(to, bytes, static_cast<std::size_t>(piece) * sizeof(float));
    to += piece * sizeof(float);
    bytes += piece * sizeof(float);
  }
  return value;
}

/// The epilogue of what begins at this row and column of the result.
inline Epilogue epilogue_at(const Epilogue& whole, std::int64_t row, std::int64_t column) {
  return {whole.bias == nullptr ? nullptr : whole.bias + column,
          whole.residual == nullptr ? nullptr : whole.residual + row * whole.residual_stride + column,
          whole.residual_stride, whole.residual_is_last, whole.activation, whole.low, whole.high};
}

/// The activations that cost more than a few instructions; over many at a time, so that they overlap.
[[gnu::noinline]] inline void activate_slowly(Activation activation, Vec* values, int count) {
  const auto each = [&](auto function) {
    for (int i = 0; i < count; ++i) values[i] = function(values[i]);
  };
  switch (activation) {
    case Activation::gelu: return each([](Vec x) { return gelu(x); });
    case Activation::gelu_tanh: return each([](Vec x) { return gelu_tanh(x); });
    case Activation::silu: return each([](Vec x) { return silu(x); });
    case Activation::sigmoid: return each([](Vec x) { return sigmoid(x); });
    case Activation::tanh: return each([](Vec x) { return hyperbolic_tangent(x); });
    case Activation::hardswish: return each([](Vec x) { return hardswish(x); });
    case Activation::hardsigmoid: return each([](Vec x) { return hardsigmoid(x); });
    default: return;
  }
}

/// Activates kCount values that are in registers.
template <int kCount>
[[gnu::always_inline]] inline void activate(const Epilogue& epilogue, Vec (&values)[kCount]) {
  if (epilogue.activation == Activation::none) return;
  if (epilogue.activation == Activation::relu) {
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) values[i] = at_least(values[i], Vec{});
  } else if (epilogue.activation == Activation::clamp) {
    const Vec low = broadcast(epilogue.low), high = broadcast(epilogue.high);
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) values[i] = at_most(at_least(values[i], low), high);
  } else {
    Vec copies[kCount];  // Only these need an address: `values` stay in registers.
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) copies[i] = values[i];
    activate_slowly(epilogue.activation, copies, kCount);
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) values[i] = copies[i];
  }
}

/// Stores epilogue(scale * sums) of a tile whose sums are in registers: row r's columns are
/// sums[r * kVectors] and on. `columns` is 1 to kVectors * kLanes; what lies beyond is not touched.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void finish(Vec (&sums)[kRows * kVectors], float scale,
                                          const Epilogue& epilogue, float* c, std::int64_t c_stride,
                                          std::int64_t columns) {
  const bool is_full = columns == kVectors * kLanes;
  const auto count = [columns](int v) {
    const std::int64_t left = columns - v * kLanes;
    return left < 0 ? 0 : left;
  };
  const auto read = [&](const float* from, int v) {
    return is_full ? load(from + v * kLanes) : load_first(from + v * kLanes, count(v));
  };
  const auto add_residual = [&] {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        sums[r * kVectors + v] += read(epilogue.residual + r * epilogue.residual_stride, v);
      }
    }
  };
  if (scale != 1) {
#pragma GCC unroll 32
    for (int i = 0; i < kRows * kVectors; ++i) sums[i] *= broadcast(scale);
  }
  if (epilogue.bias != nullptr) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const Vec bias = read(epilogue.bias, v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sums[r * kVectors + v] += bias;
    }
  }
  if (epilogue.residual != nullptr && !epilogue.residual_is_last) add_residual();
  activate(epilogue, sums);
  if (epilogue.residual != nullptr && epilogue.residual_is_last) add_residual();
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + r * c_stride + v * kLanes;
      if (is_full) {
        store(to, sums[r * kVectors + v]);
      } else {
        store_first(to, sums[r * kVectors + v], count(v));
      }
    }
  }
}

/// The same for a result of one column: lane i is the i-th of `count` rows, which begin at `row`.
inline void finish_column(Vec sums, float scale, const Epilogue& epilogue, std::int64_t row, float* c,
                          std::int64_t c_stride, std::int64_t count) {
  Epilogue activation;
  activation.activation = epilogue.activation;
  activation.low = epilogue.low;
  activation.high = epilogue.high;
  Vec residual{};
  if (epilogue.residual != nullptr) {
    for (int r = 0; r < count; ++r) residual[r] = epilogue.residual[(row + r) * epilogue.residual_stride];
  }
  Vec result[1] = {sums * scale};
  if (epilogue.bias != nullptr) result[0] += epilogue.bias[0];
  if (!epilogue.residual_is_last) result[0] += residual;
  activate(activation, result);
  if (epilogue.residual_is_last) result[0] += residual;
  c += row * c_stride;
  if (c_stride == 1) {
    store_first(c, result[0], count);
  } else {
    for (int r = 0; r < count; ++r) c[r * c_stride] = result[0][r];
  }
}

/// The same for one row of any length whose sums are in memory; c may be sums.
inline void finish_row(const float* sums, float scale, const Epilogue& epilogue, float* c,
                       std::int64_t columns) {
  constexpr int kVectors = 4;
  for (std::int64_t column = 0; column < columns; column += kVectors * kLanes) {
    const std::int64_t left = columns - column;
    const std::int64_t count = left < kVectors * kLanes ? left : kVectors * kLanes;
    Vec values[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      values[v] = v * kLanes < count ? load_first(sums + column + v * kLanes, count - v * kLanes) : Vec{};
    }
    finish<1, kVectors>(values, scale, epilogue_at(epilogue, 0, column), c + column, 0, count);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
