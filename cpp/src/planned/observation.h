#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "planned/library_call.h"

namespace torchship {

/// What a tensor was in the observed run.
struct TensorMeta {
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  bool is_plain = false;  ///< Strided, on the CPU, neither quantised nor a lazy conjugate.

  std::int64_t numel() const;
};

using ValueId = std::uint32_t;

/// One value of the observed run.
struct ObservedValue {
  /// What it is in every call of this signature: weights, and whatever follows from sizes alone.
  std::optional<c10::IValue> fixed;
  std::optional<TensorMeta> tensor;  ///< Where it was a tensor.
  std::vector<std::size_t> uses;     ///< The operations that take it, once for each argument.
  bool varies = false;               ///< Nothing is known of its sizes.
  bool is_result = false;            ///< What the method returns.
};

/// One operation that a call executes; branches that are known and loops of known length are
/// taken already.
struct ObservedOperation {
  torch::jit::Node* node = nullptr;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::shared_ptr<const LibraryCall> call;  ///< How LibTorch runs it.
};

/// A method run once, operation by operation, in LibTorch.
///
/// Sizes and dtypes of all values are then known, and so is what depends on them alone: such values
/// are `fixed`, and the operations that gave them are left out.
struct Observation {
  std::vector<ObservedValue> values;
  std::vector<ObservedOperation> operations;
  std::vector<ValueId> arguments;
  ValueId result = 0;
  c10::IValue output;  ///< What the run gave.
  /// By value, where they were asked for, and are plain tensors.
  std::vector<at::Tensor> tensors;
};

/// Operators whose results have other sizes in every call, whatever the sizes of the arguments.
using VaryingNodes = std::set<const torch::jit::Node*>;

/// Runs the graph on the arguments; unless `keeps_tensors`, intermediate results are let go as soon
/// as nothing needs them.
/// Of what follows from `varying` operators nothing is noted: LibTorch runs it as it comes. Throws
/// what LibTorch throws. In inference mode.
Observation observe(torch::jit::Graph& graph, const std::vector<c10::IValue>& arguments,
                    const VaryingNodes& varying, bool keeps_tensors = false);

}  // namespace torchship
