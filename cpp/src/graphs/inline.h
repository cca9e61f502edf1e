#pragma once

#include <optional>
#include <string>

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Puts the graphs of called methods and functions in the place of their calls, all the way down, and
/// notes in each node's scope the module whose code it is ("encoder.layers.0"; module_of()).
///
/// Unlike LibTorch's own pass it keeps that path whole. With `self`, the module that the graph's first
/// input stands for, calls through an interface go to the method of the object that is there.
void inline_calls(torch::jit::Graph& graph, const std::optional<c10::IValue>& self = std::nullopt);

/// The module that a node's code belongs to; empty for the model itself.
std::string module_of(const torch::jit::Node& node);

/// The function that a call goes to, or null where it is not known or is none of a graph.
torch::jit::Function* callee_of(const torch::jit::Node& call);

/// "encoder.layers.0": the attributes that lead from the graph's module to an object or a value.
std::string path_of(const torch::jit::Value& value);

/// What such a path leads to, starting at `self`; nothing where it does not start there.
std::optional<c10::IValue> resolve(const torch::jit::Value& value, const c10::IValue& self);

}  // namespace torchship
