#pragma once

#include <string>
#include <vector>

namespace torchship {

/// An engine that was considered for a model, and is not the one that runs it.
struct PassedOver {
  std::string engine;  ///< "interpreter", or "compiled" with the id of the archive's engine.
  std::string reason;
};

/// Which engine runs a model, and why.
struct EngineChoice {
  std::string name;    ///< "planned", "interpreter", "compiled"
  std::string reason;  ///< One line for people.
  std::vector<PassedOver> passed_over;
};

}  // namespace torchship
