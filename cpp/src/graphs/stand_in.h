#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

// Note [Stand-ins]
// Nodes of ours that run in the place of LibTorch's operators bear a note of what they stand for, so
// that people see the operators that they know: one operator as itself, several as a kernel with its
// members. The notes are attributes, which the interpreter does not look at.

/// One operator that a node stands for.
struct Original {
  std::string operator_name;  ///< "aten::add"
  std::size_t inputs;         ///< How many of the node's inputs are its own: the first ones.
};
void stand_in(torch::jit::Node* node, const Original& original);

/// Notes that `node` stands for several operators, the result of each being used by the next alone.
void stand_in(torch::jit::Node* node, std::initializer_list<torch::jit::Node*> originals);

/// Nothing where a node stands for itself, or for several.
std::optional<Original> original_of(const torch::jit::Node& node);

}  // namespace torchship
