#pragma once

#include <string>

#include <torchship/graph.h>

namespace torchship::cli {

/// What each pass did, as a table; empty where there was none.
std::string describe_passes(const Graph& graph, bool colour);

/// Time by operator and by the user's source line, the longest first; empty where none was taken.
std::string describe_times(const Graph& graph, bool colour);

/// Microseconds of a block's nodes in the profiled run; 0 where no time was taken.
double total_time(const GraphBlock& block);

/// "12.3 ms"
std::string format_time(double microseconds);

}  // namespace torchship::cli
