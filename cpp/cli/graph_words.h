#pragma once

#include <cstddef>
#include <map>
#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

/// "float32[1, 3]" where the value is a tensor whose sizes are known, else its type.
std::string type_text(const GraphValue& value);

/// What each constant of the graph is, and each list or tuple of nothing but constants: "20.",
/// "[1, 1]".
std::map<std::size_t, std::string> constant_texts(const Graph& graph);

/// What a block of a branch or loop is to it: "if true", "else", "body".
std::string block_word(const GraphNode& node, std::size_t block);

}  // namespace torchship::cli
