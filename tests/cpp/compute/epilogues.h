#pragma once

#include <cmath>

#include "compute/matrix.h"

namespace torchship::compute {

/// The activation of an epilogue, in double precision.
inline double activated(const Epilogue& epilogue, double x) {
  switch (epilogue.activation) {
    case Activation::none: return x;
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::gelu: return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::hardswish: return x * std::fmin(std::fmax(x + 3, 0), 6) / 6;
    case Activation::hardsigmoid: return std::fmin(std::fmax(x + 3, 0), 6) / 6;
    case Activation::clamp: return std::fmin(std::fmax(x, epilogue.low), epilogue.high);
  }
  return x;
}

/// Calls `check` with the case under every epilogue there is.
template <typename Case, typename Check>
void for_each_epilogue(Case of, const Check& check) {
  for (int activation = 0; activation <= static_cast<int>(Activation::clamp); ++activation) {
    for (auto residual : {Case::no_residual, Case::own_residual, Case::result_is_residual}) {
      for (int bits = 0; bits < 8; ++bits) {
        of.c_gap = bits;
        of.has_bias = (bits & 1) != 0;
        of.residual = residual;
        of.residual_is_last = (bits & 2) != 0;
        of.activation = static_cast<Activation>(activation);
        of.scale = (bits & 4) != 0 ? -1.5f : 1.0f;
        check(of);
      }
    }
  }
}

}  // namespace torchship::compute
