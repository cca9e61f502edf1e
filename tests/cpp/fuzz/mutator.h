#pragma once

#include <cstdint>
#include <string>

#include "fuzz/archive.h"

namespace torchship::fuzz {

/// An archive made from a seed.
struct Mutant {
  std::string bytes;
  std::string how;      ///< What was done, in a few words.
  bool forged = false;  ///< Checksums and digests are right for what was changed.
};

/// The mutant of that number: the same number always gives the same one.
Mutant make_mutant(const Seed& seed, std::uint64_t number);

}  // namespace torchship::fuzz
