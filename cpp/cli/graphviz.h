#pragma once

#include <string>

namespace torchship::cli {

/// What Graphviz' `dot` program draws of a description, as SVG. Runs the program found on PATH, for
/// two minutes at most. Throws Error when there is none, or it fails.
std::string draw_svg(const std::string& dot);

}  // namespace torchship::cli
