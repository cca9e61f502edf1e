#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>

namespace torchship {

/// A function of a module with its calls inlined, otherwise as it was recorded.
struct Recorded {
  c10::FunctionSchema schema;
  std::shared_ptr<torch::jit::Graph> graph;
  std::size_t retargeted = 0;  ///< Places where another device was named.
};

/// `device`, where given, takes the place of other devices that the code names.
Recorded record(torch::jit::Function& function, const std::optional<at::Device>& device);

/// A graph ready to run.
struct Program {
  Program(c10::FunctionSchema function, std::shared_ptr<torch::jit::Graph> inlined);

  /// Takes the arguments, the module first or None where it is not used, off the stack and leaves the
  /// results.
  void run(std::vector<c10::IValue>& stack) const;
  c10::IValue call(std::vector<c10::IValue> arguments) const;

  c10::FunctionSchema schema;
  std::shared_ptr<torch::jit::Graph> graph;
  std::shared_ptr<torch::jit::Graph> executed;  ///< The same with the checks that are run beside it.
  torch::jit::Code code;
  bool uses_self;              ///< Whether it looks at its first argument, the module.
  bool channels_last = false;  ///< Results may have their channels last in memory.
  /// The frozen graph before it was given kernels, for who plans; null where nobody does.
  std::shared_ptr<torch::jit::Graph> frozen;
};

}  // namespace torchship
