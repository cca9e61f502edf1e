#pragma once

#include <string>

#include <torchship/value.h>

namespace torchship {

/// A dict's key as names are made of it: strings as they are, numbers in decimal, True and False.
std::string key_text(const Value& key);

}  // namespace torchship
