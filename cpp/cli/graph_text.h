#pragma once

#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

/// A graph for people: its nodes, one a line, under the modules that they belong to; then what each
/// pass did, where the time went, and the notes.
std::string describe_graph(const Graph& graph, bool colour);

}  // namespace torchship::cli
