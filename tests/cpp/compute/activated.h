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

}  // namespace torchship::compute
