#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "way.h"

namespace torchship::cli {

/// What was measured of one way; times in seconds.
struct Measurement {
  std::string way;
  double load = 0;
  double first_call = 0;
  std::vector<double> curve;   ///< The first calls, one by one.
  std::vector<double> steady;  ///< Seconds per call, sorted: single calls, or means of short ones.
  int calls_a_time = 1;        ///< In each of `steady`.
  double calls_per_second = 0; ///< Of all callers together.
  std::int64_t memory = 0;     ///< Bytes that became resident while loading and in the first calls.
  double ratio = 0;            ///< To the last way: median over rounds of the ratios of a round.

  /// The value below which a part of `steady` lies: 0.5 is the median.
  double quantile(double part) const;
};

struct MeasureOptions {
  double seconds = 2;  ///< Of steady calls, for each way.
  int callers = 1;
};

/// Measures ways side by side: each is loaded and called for the first time by itself, then all take
/// turns in short blocks, in an order that changes from round to round, so that the machine's moods
/// touch all alike.
std::vector<Measurement> measure(const std::vector<std::unique_ptr<Way>>& ways,
                                 const MeasureOptions& options);

}  // namespace torchship::cli
