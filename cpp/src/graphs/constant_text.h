#pragma once

#include <string>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// What a prim::Constant holds: "20.", "True", "None", "'mean'", "[1, -1]", "tensor([0.5, 1.])", or
/// "<float32[8, 3], 96 bytes>" of a tensor too large to print.
std::string constant_text(const torch::jit::Node& constant);

}  // namespace torchship
