#pragma once

#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

struct GraphTextOptions {
  bool colour = false;
  bool constants = false;  ///< Lines for constants and attributes that arguments spell anyway.
};

/// A graph for people: its nodes, one a line; then what each pass did, where the time went, and the
/// notes.
std::string describe_graph(const Graph& graph, const GraphTextOptions& options = {});

}  // namespace torchship::cli
