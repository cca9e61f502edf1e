#pragma once

#include <optional>

#include <ATen/core/function.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torchship/graph.h>

#include "graphs/attributes.h"

namespace torchship {

/// A method as it was recorded: calls stay calls, with the called methods inside them.
Graph initial_graph(torch::jit::Function& method);

/// A method made ready for inference on the weights that `self` holds now; graphs/freeze.h.
Graph frozen_graph(torch::jit::Function& method, const c10::IValue& self,
                   const ConstantAttributes& attributes, const std::optional<at::Device>& device);

}  // namespace torchship
