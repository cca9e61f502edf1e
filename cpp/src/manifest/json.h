#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace torchship {

using Json = nlohmann::json;

/// What a text may hold at most; hostile ones would fill the memory.
struct JsonLimits {
  std::size_t bytes;
  std::size_t values;
  int depth;
};

constexpr JsonLimits kManifestLimits = {std::size_t{64} << 20, 2'000'000, 64};

/// Parses JSON within limits: no key twice, no number that is not finite. `place` begins messages.
/// Throws ArchiveError.
Json parse_json(std::string_view text, const std::string& place, const JsonLimits& limits);

/// Parses a manifest's text within the limits of docs/archive-format.md: size, depth, number of
/// values, no key twice, no number that is not finite. `place` begins messages. Throws
/// ArchiveError.
Json parse_manifest_json(std::string_view text, const std::string& place);

}  // namespace torchship
