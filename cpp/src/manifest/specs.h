#pragma once

#include <string>

#include <torchship/info.h>

#include "manifest/field.h"
#include "manifest/manifest.h"

namespace torchship {

/// Reads one of the manifest's `methods`. Throws ArchiveError.
MethodInfo parse_method(const Field& field);

/// Reads a value of a sample. Throws ArchiveError.
SampleValue parse_value(const Field& field);

/// How a dict's key names its member in ValueSpec::members: numbers in decimal.
std::string key_text(const Value& key);

}  // namespace torchship
