#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planned/observation.h"

namespace torchship {

class Frame;

using BufferId = std::uint32_t;

/// Memory that steps read and write.
struct Buffer {
  enum class Home : std::uint8_t {
    arena,     ///< The plan's own, at `offset`; others have the place before and after.
    constant,  ///< A weight: `tensor`.
    argument,  ///< A tensor of the caller's: argument `index`, of `sizes`.
    result,    ///< A tensor that the caller gets: made for each call, of `sizes`.
    slot,      ///< A tensor that LibTorch made in this call: slot `index`.
  };
  Home home = Home::arena;
  std::size_t bytes = 0;
  std::size_t offset = 0;
  std::size_t index = 0;
  at::Tensor tensor = {};
  std::vector<std::int64_t> sizes = {};
  std::size_t first_step = 0;  ///< That writes it.
  std::size_t last_step = 0;   ///< That reads it.
};

/// Float32 elements in a buffer.
struct Array {
  BufferId buffer = 0;
  std::int64_t offset = 0;  ///< In elements.
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;

  std::int64_t numel() const;
  std::size_t dimensions() const noexcept { return sizes.size(); }
  /// Elements lie side by side in the usual order.
  bool is_contiguous() const;
};

/// An operator that a step stands for, and what it gave.
struct PlannedOperator {
  const torch::jit::Node* node = nullptr;
  ValueId value = 0;                 ///< Its first result, in the observed run.
  std::optional<TensorMeta> result;  ///< Where that is a tensor.
};

/// One thing that a plan does.
struct Step {
  std::string kernel;  ///< "multiply", "LibTorch": for people.
  std::vector<PlannedOperator> operators;
  std::function<void(Frame&)> run;
  std::vector<BufferId> reads;
  std::vector<BufferId> writes;
  double operations = 0;  ///< Floating-point additions and multiplications.
  std::string detail;     ///< Sizes, layout, algorithm: for people.
};

/// A result of an operator that is there, in float32, after a step.
struct KnownResult {
  std::size_t step = 0;
  ValueId value = 0;  ///< In the observed run.
  Array array;
};

/// How a value of LibTorch's is put together from what a plan has.
struct ValueTree {
  enum class Kind : std::uint8_t { fixed, array, slot, argument, tuple, list };
  Kind kind = Kind::fixed;
  c10::IValue fixed;
  Array array;
  std::size_t index = 0;  ///< Of a slot or an argument.
  c10::TypePtr type;      ///< Of a tuple or a list.
  std::vector<ValueTree> items;

  /// Arrays become tensors over the memory that they are in.
  c10::IValue build(Frame& frame) const;
};

/// What a method executes for arguments of certain dtypes and sizes: a list of steps bound to their
/// memory. Never changes; any number of threads may run it, each in a Frame of its own.
struct Plan {
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::size_t slots = 0;
  std::size_t arena_bytes = 0;
  std::size_t scratch_floats = 0;  ///< For each thread.
  ValueTree result;
  std::vector<KnownResult> known;  ///< In the order of the steps.
  std::vector<std::shared_ptr<const void>>
      keeps;                ///< Packed weights, and what else steps point to.
  std::size_t planned = 0;  ///< Operators that have a kernel of ours.
  std::size_t left = 0;     ///< Operators that LibTorch runs.

  /// The result. In inference mode. Throws Deviation, and what LibTorch throws.
  c10::IValue run(Frame& frame, const std::vector<c10::IValue>& arguments) const;
  /// The same; returns how long each step took, in microseconds.
  std::vector<double> time(Frame& frame, const std::vector<c10::IValue>& arguments) const;
  /// The same; returns how far the results of each step are from the tensors of an observation that
  /// kept them (the norm of the difference over that of the tensor; nothing where nothing can be
  /// compared), and leaves those in their place: every step works on LibTorch's numbers.
  std::vector<std::optional<double>> compare(Frame& frame,
                                             const std::vector<c10::IValue>& arguments,
                                             const std::vector<at::Tensor>& tensors) const;
};

/// A result of LibTorch's is not of the sizes that the plan was made for: data decide on them.
struct Deviation {
  const torch::jit::Node* node;
};

}  // namespace torchship
