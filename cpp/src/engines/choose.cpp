#include "engines/choose.h"

#include <torchship/error.h>

namespace torchship {
namespace {

constexpr const char* kInterpreter = "interpreter";

std::string names_of(const ModelInfo& info) {
  std::string names = "\"auto\" and \"interpreter\"";
  for (const EngineInfo& engine : info.engines) names += ", \"" + engine.id + "\"";
  return names;
}

}  // namespace

EngineChoice choose_engine(const ModelInfo& info, const LoadOptions& options) {
  EngineChoice choice{.name = kInterpreter, .reason = {}, .passed_over = {}};
  if (options.engine == kInterpreter) {
    choice.reason = "it was asked for";
    return choice;
  }
  const std::string no_compiled = "this version of torchship runs no compiled engines";
  for (const EngineInfo& engine : info.engines) {
    if (options.engine == engine.id) {
      throw EngineError(info.path.string() + ": the engine '" + engine.id + "' cannot be used: " +
                            no_compiled,
                        "engine=\"auto\" takes one that can");
    }
    choice.passed_over.push_back({.engine = engine.id, .reason = no_compiled});
  }
  if (options.engine != "auto") {
    throw EngineError(info.path.string() + ": has no engine '" + options.engine + "'",
                      "there are " + names_of(info));
  }
  choice.reason = info.engines.empty() ? "the archive holds no compiled engine"
                                       : "none of the archive's engines can be used here";
  return choice;
}

}  // namespace torchship
