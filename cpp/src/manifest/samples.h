#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>
#include <torchship/tensor_file.h>

#include "manifest/manifest.h"
#include "sample.h"

namespace torchship {

/// Puts the samples' tensors into their places and compares the values with what `info` promises:
/// kinds, dtypes, sizes and their ranges. `place` begins messages. Throws ArchiveError.
std::vector<Sample> bind_samples(const Manifest& manifest, const ModelInfo& info,
                                 const NamedTensors& tensors, const std::string& place);

Intermediates bind_intermediates(const ManifestIntermediates& manifest,
                                 const NamedTensors& tensors, const std::string& place);

}  // namespace torchship
