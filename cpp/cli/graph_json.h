#pragma once

#include <string>

#include <nlohmann/json.hpp>
#include <torchship/graph.h>

namespace torchship::cli {

/// docs/cli.md describes the object.
nlohmann::ordered_json to_json(const Graph& graph);

/// JSON in ASCII: nothing out of a file reaches a terminal or a page as it is. Bytes that are no
/// UTF-8 are replaced. Without an indent all stands in one line.
std::string ascii(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace torchship::cli
