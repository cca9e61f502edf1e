#pragma once

#include <string>

#include "fuzz/random.h"

namespace torchship::fuzz {

/// A pickle with opcodes lost, moved, exchanged or added, numbers and names changed, memos that
/// refer to themselves, or nesting without end.
std::string mutate_pickle(const std::string& pickle, Random& random);

}  // namespace torchship::fuzz
