#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <torchship/info.h>
#include <torchship/value.h>

#include "compiled/record.h"

namespace torchship {

constexpr std::string_view kManifestRecord = "extra/torchship/manifest.json";
constexpr std::uint64_t kLargestManifest = std::uint64_t{64} << 20;

/// A value of a sample; its tensors are in another record.
struct SampleValue {
  Kind kind = Kind::none;
  std::string ref;                 ///< Of a tensor: its name in that record.
  Value plain;                     ///< Of a string, number or bool.
  std::vector<SampleValue> items;  ///< Of a list or tuple; of a dict, its values.
  std::vector<Value> keys;         ///< Of a dict.
};

struct ManifestSample {
  SampleInfo info;
  std::vector<SampleValue> inputs;
  SampleValue output;
};

struct ManifestIntermediate {
  std::size_t node = 0;
  std::size_t output = 0;
  std::string operator_name;
  std::string ref;
};

struct ManifestIntermediates {
  std::size_t sample = 0;
  std::vector<ManifestIntermediate> values;
};

/// What extra/torchship/manifest.json says (docs/archive-format.md), checked in itself: against the
/// rest of the file it is checked by overlay() and bind_samples().
struct Manifest {
  std::int64_t format = 0;
  Producer producer;
  std::optional<std::string> default_method;
  /// Their specs hold promises only; types and items are left empty, but a dict has the kind of its
  /// keys as its first item.
  std::vector<MethodInfo> methods;
  std::vector<Finding> findings;
  std::vector<ManifestSample> samples;
  std::optional<ManifestIntermediates> intermediates;
  std::vector<CompiledRecord> engines;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> records;  ///< Name without the folder -> SHA-256.
};

/// Reads a manifest's text; `place` begins all messages. Throws ArchiveError.
Manifest parse_manifest(std::string_view text, const std::string& place);

}  // namespace torchship
