#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <memory>
#include <vector>

namespace torchship {

/// One node of a graph on its own, run by LibTorch: an operator directly, what is none in its
/// interpreter. Safe to use from several threads.
class LibraryCall {
 public:
  explicit LibraryCall(torch::jit::Node& node);

  /// The values that run() takes: the node's inputs, then what its blocks take from outside.
  const std::vector<torch::jit::Value*>& inputs() const noexcept { return inputs_; }

  /// Takes the arguments off the stack and leaves the results.
  void run(torch::jit::Stack& stack) const;

 private:
  std::vector<torch::jit::Value*> inputs_;
  /// Its call is not const; LibTorch's interpreter shares one between threads as well.
  mutable std::optional<torch::jit::Operation> operation_;
  std::optional<torch::jit::Code> code_;
};

}  // namespace torchship
