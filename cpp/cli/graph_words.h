#pragma once

#include <cstddef>
#include <map>
#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

/// "float32[1, 3]" where the value is a tensor whose sizes are known, else its type.
std::string type_text(const GraphValue& value);

/// The values that need no line of their own, as they are spelt where they are used: constants
/// "20.", lists of nothing but constants "[1, 1]", attributes "self.linear.weight".
std::map<std::size_t, std::string> inline_texts(const Graph& graph);

/// The name of a value within its method: "x" of "forward.1/x".
std::string short_name(const GraphValue& value);

/// What a block of a branch or loop is to it: "if true", "else", "body".
std::string block_word(const GraphNode& node, std::size_t block);

}  // namespace torchship::cli
