#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// "net.py:12": the innermost line of the user's own among the frames that LibTorch lists in a
/// text, else PyTorch's own line, else nothing.
std::string user_line(std::string_view frames);

/// The same for a node of a loaded graph; empty when the archive does not tell.
std::string user_line(const torch::jit::Node& node);

/// A line of the user's own source.
struct UserLine {
  std::string file;  ///< Empty when the archive does not tell.
  std::int64_t line = 0;
  std::string text;  ///< Of that line; empty where the archive has the position only, as of traces.
};

/// Of a stack as Python writes it, outermost call first: exported programs have one for each node.
UserLine python_line(std::string_view stack);

UserLine find_user_line(const torch::jit::Node& node);
UserLine find_user_line(const torch::jit::SourceRange& range);

}  // namespace torchship
