#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <torchship/check.h>
#include <torchship/value.h>

namespace torchship {

/// A golden sample with its values; tensors are on the CPU.
struct Sample {
  std::string method;
  std::vector<Value> inputs;  ///< One for each input of the method.
  /// What the eager model gave; nothing where the file does not tell.
  std::optional<Value> output;
};

/// Recorded results of the operators for one of the samples.
struct Intermediates {
  std::size_t sample = 0;
  std::vector<Intermediate> values;
};

}  // namespace torchship
