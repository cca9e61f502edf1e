#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchship::cli {

/// Text out of a file, fit for a terminal: what controls it (control characters, changes of the
/// writing direction, bytes that are not UTF-8) is shown as \x1b or \u202e.
std::string printable(std::string_view text);

/// Number of characters of printable text.
std::size_t characters(std::string_view text);

}  // namespace torchship::cli
