#pragma once

#include <string>

#include <torchship/info.h>

namespace torchship::cli {

/// The page that `torchship info` prints.
std::string describe_model(const ModelInfo& info);

}  // namespace torchship::cli
