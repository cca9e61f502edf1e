#pragma once

#include <string>

#include "fuzz/random.h"

namespace torchship::fuzz {

/// TorchScript code with lines lost or moved, words exchanged, numbers changed, or nested deep.
std::string mutate_code(std::string code, Random& random);

/// JSON with values of other types, huge or no numbers, keys missing or twice, or nested deep.
std::string mutate_json(const std::string& json, Random& random);

/// A .safetensors file with a changed header, or a wrong length of it.
std::string mutate_safetensors(std::string bytes, Random& random);

}  // namespace torchship::fuzz
