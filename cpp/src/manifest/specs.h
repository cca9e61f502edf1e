#pragma once

#include <torchship/info.h>

#include "manifest/field.h"
#include "manifest/manifest.h"

namespace torchship {

/// Reads one of the manifest's `methods`. Throws ArchiveError.
MethodInfo parse_method(const Field& field);

/// Reads a value of a sample. Throws ArchiveError.
SampleValue parse_value(const Field& field);

}  // namespace torchship
