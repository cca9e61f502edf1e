#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace torchship::cli {

/// How a piece of text looks on a terminal.
enum class Ink : std::uint8_t { plain, dim, bold, operator_, control, kernel };

/// The text in that ink; as it is where colour is not wanted. `text` must be printable.
std::string paint(std::string_view text, Ink ink, bool colour);

/// Whether to write colours to standard output: "always", "never", or "auto": to a terminal, unless
/// NO_COLOR is set or the terminal is a dumb one.
bool wants_colour(std::string_view when);

}  // namespace torchship::cli
