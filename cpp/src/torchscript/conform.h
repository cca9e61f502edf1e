#pragma once

#include <string>

#include <ATen/core/ivalue.h>

namespace torchship {

/// Checks that a loaded module holds what its classes declare. LibTorch fills attributes without
/// looking at their types, and compiled code does not look again: an object of another class, or a
/// tuple of another length, would be read beyond its end. Throws ArchiveError that begins with
/// `place` and names the attribute.
void require_conforming(const c10::IValue& module, const std::string& place);

}  // namespace torchship
