#pragma once

#include <string>

#include <torchship/info.h>

namespace torchship::cli {

/// The method of that name, or the default one where it is empty. Throws SignatureError.
const MethodInfo& chosen_method(const ModelInfo& info, const std::string& name);

}  // namespace torchship::cli
