#pragma once

#include <string>
#include <string_view>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// "net.py:12": the innermost line of the user's own among the frames that LibTorch lists in a
/// text, else PyTorch's own line, else nothing.
std::string user_line(std::string_view frames);

/// The same for a node of a loaded graph; empty when the archive does not tell.
std::string user_line(const torch::jit::Node& node);

}  // namespace torchship
