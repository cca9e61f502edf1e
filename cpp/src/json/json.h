#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <torchship/check.h>
#include <torchship/engine.h>
#include <torchship/info.h>
#include <torchship/value.h>

namespace torchship {

/// The objects that the executable's --json prints; docs/cli.md is their description. Keys keep their
/// order.
nlohmann::ordered_json to_json(const ModelInfo& info);
nlohmann::ordered_json to_json(const std::vector<Finding>& findings);
nlohmann::ordered_json to_json(const Value& value);
nlohmann::ordered_json to_json(const CheckReport& report);
nlohmann::ordered_json to_json(const std::vector<PassedOver>& passed_over);
/// What `check` found with each engine, and which were passed over.
nlohmann::ordered_json to_json(const std::vector<std::pair<std::string, CheckReport>>& reports,
                               const std::vector<PassedOver>& passed_over);

/// As text, in ASCII: nothing out of a file reaches a terminal as it is.
std::string to_text(const nlohmann::ordered_json& json);

}  // namespace torchship
