#pragma once

#include <chrono>
#include <string>

namespace torchship::cli {

/// What Graphviz' `dot` program draws of a description, as SVG. Runs the program found on PATH, not
/// longer than `longest`. Throws Error when there is none, it fails, or its time is up.
std::string draw_svg(const std::string& dot,
                     std::chrono::milliseconds longest = std::chrono::minutes(2));

}  // namespace torchship::cli
