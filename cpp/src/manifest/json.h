#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace torchship {

using Json = nlohmann::json;

/// Parses a manifest's text within the limits of docs/archive-format.md: size, depth, number of
/// values, no key twice, no number that is not finite. `place` begins messages. Throws
/// ArchiveError.
Json parse_manifest_json(std::string_view text, const std::string& place);

}  // namespace torchship
