#pragma once

#include <string>

#include "fuzz/random.h"

namespace torchship::fuzz {

/// Damage that knows nothing of formats: bytes and numbers overwritten, ranges cut, repeated or
/// moved, the end missing.
std::string mutate_bytes(std::string bytes, Random& random);

}  // namespace torchship::fuzz
