#pragma once

#include <string>

#include <torchship/info.h>

#include "manifest/manifest.h"

namespace torchship {

/// Adds to `info`, which the model's code was read into, what the manifest says: names, promises,
/// findings and all the rest. `place` begins messages. Throws ArchiveError when the two contradict
/// each other.
void overlay(const Manifest& manifest, const std::string& place, ModelInfo& info);

}  // namespace torchship
