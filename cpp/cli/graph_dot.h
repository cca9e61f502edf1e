#pragma once

#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

/// The graph in Graphviz' language: modules, kernels, called methods and branches as clusters,
/// values as edges with their sizes, constants inside the labels of those who take them.
std::string to_dot(const Graph& graph);

/// Text in quotes, as Graphviz shows it unchanged.
std::string dot_quoted(const std::string& text);

}  // namespace torchship::cli
