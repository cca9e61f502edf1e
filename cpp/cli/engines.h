#pragma once

#include <functional>
#include <string>
#include <vector>

#include <torchship/engine.h>
#include <torchship/model.h>
#include <torchship/source.h>

namespace torchship::cli {

/// A model once for each engine that can be used here, the interpreter last, and why others cannot.
struct EveryEngine {
  std::vector<std::string> names;
  std::vector<PassedOver> passed_over;
};

/// Finds out by loading: `load.engine` is "all" for all of an archive's engines, else the one to take.
/// Throws EngineError where none can be used, and what loading throws besides.
EveryEngine usable_engines(const Source& archive, const LoadOptions& load);

/// "forward-x86-64-v4-1t was passed over: it needs a CPU of ...", a line each.
std::string describe(const std::vector<PassedOver>& passed_over);

}  // namespace torchship::cli
