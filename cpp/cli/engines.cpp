#include "engines.h"

#include <string_view>

#include <torchship/error.h>
#include <torchship/info.h>

#include "printable.h"

namespace torchship::cli {
namespace {

/// Why an engine cannot be used, out of the message that names the file and the engine as well.
std::string reason_of(const std::string& message) {
  constexpr std::string_view kBefore = "cannot be used: ";
  const std::size_t at = message.find(kBefore);
  return at == std::string::npos ? message : message.substr(at + kBefore.size());
}

}  // namespace

EveryEngine usable_engines(const Source& archive, const LoadOptions& load) {
  if (load.engine != "all") return {.names = {load.engine}, .passed_over = {}};
  std::vector<std::string> names;
  for (const EngineInfo& engine : read_info(archive).engines) names.push_back(engine.id);
  if (load.device.is_cpu() && load.optimize) names.emplace_back("planned");
  names.emplace_back("interpreter");
  EveryEngine every;
  for (const std::string& name : names) {
    LoadOptions options = load;
    options.engine = name;
    try {
      const Model model(archive, options);
      every.names.push_back(name);
    } catch (const EngineError& error) {
      every.passed_over.push_back({.engine = name, .reason = reason_of(error.message())});
    }
  }
  if (every.names.empty()) throw EngineError(every.passed_over.front().reason);
  return every;
}

std::string describe(const std::vector<PassedOver>& passed_over) {
  std::string text;
  for (const PassedOver& passed : passed_over) {
    text += printable(passed.engine + " was passed over: " + passed.reason) + "\n";
  }
  return text;
}

}  // namespace torchship::cli
