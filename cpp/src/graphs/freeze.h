#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torchship/graph.h>

#include "graphs/attributes.h"

namespace torchship {

/// A method ready for inference, and how it came to that.
struct Frozen {
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<GraphPass> passes;
  std::vector<std::string> notes;
};

/// Freezes a copy of a method's graph: calls inlined, attributes that never change made constants,
/// what has constant inputs computed, idle dropout gone, batch norms and constant arithmetic folded
/// into the weights of the layer before them, equal results shared, dead code gone.
///
/// Neither the graph nor `self`, the model it is a method of, is changed. `device`, where given, takes
/// the place of other devices that the code names. A pass that fails on a graph is left out, and a
/// note says so.
Frozen freeze(torch::jit::Graph& recorded, const c10::IValue& self,
              const ConstantAttributes& attributes, const std::optional<at::Device>& device);

}  // namespace torchship
