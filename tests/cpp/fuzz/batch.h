#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/trial.h"

namespace torchship::fuzz {

struct Limits {
  double seconds = 10;                                   ///< For one mutant.
  std::uint64_t growth = std::uint64_t{1} << 30;         ///< Resident memory above the parent's.
};

constexpr const char* kTooLong = "took too long";
constexpr const char* kTooMuch = "took too much memory";

/// What ended the process that was busy with a mutant, if anything did.
struct Ending {
  std::string reason;  ///< "signal 11", kTooLong, kTooMuch, ...; empty where all went well.
  std::string report;  ///< The end of what the process wrote to standard error.
};

struct BatchResult {
  std::vector<Verdict> verdicts;  ///< Of the mutants that were tried, in order.
  Ending ending;                  ///< Of the last of them.
};

/// Tries the mutants from number `first` on, at most `count`, in a process of their own. Stops after
/// the first one that the process did not survive.
BatchResult run_batch(const Reference& reference, std::uint64_t first, std::size_t count,
                      const std::filesystem::path& folder, const Limits& limits);

}  // namespace torchship::fuzz
