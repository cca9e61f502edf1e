#pragma once

#include <string>
#include <vector>

#include <torchship/engine.h>
#include <torchship/value.h>

#include "measure.h"

namespace torchship::cli {

/// What `torchship bench` measured, and on what.
struct Bench {
  std::string archive;
  std::string method;
  std::string device;
  int threads = 1;
  int callers = 1;
  std::vector<Value> inputs;
  std::vector<PassedOver> passed_over;
  std::vector<Measurement> ways;  ///< The last one is what the ratios refer to.
};

/// A table, and the first calls as a curve.
std::string bench_text(const Bench& bench);

/// docs/cli.md describes the object.
std::string bench_json(const Bench& bench);

}  // namespace torchship::cli
