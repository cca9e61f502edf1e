#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torchship/value.h>

namespace torchship {

/// A golden sample with its values; tensors are on the CPU.
struct Sample {
  std::string method;
  std::vector<Value> inputs;  ///< One for each input of the method.
  Value output;
};

/// The result of one operator of a method's inlined graph.
struct Intermediate {
  std::size_t node = 0;    ///< Position among the graph's top-level nodes.
  std::size_t output = 0;  ///< Which result of the node.
  std::string operator_name;
  std::string source;      ///< "net.py:12"; empty when the archive does not tell. Not recorded.
  at::Tensor value;
};

/// Recorded results of the operators for one of the samples.
struct Intermediates {
  std::size_t sample = 0;
  std::vector<Intermediate> values;
};

}  // namespace torchship
