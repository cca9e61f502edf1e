#include "ink.h"

#include <cstdlib>

#include <unistd.h>

namespace torchship::cli {
namespace {

/// Of the SGR escape sequence; the 16 colours fit light and dark terminals alike.
std::string_view code(Ink ink) {
  switch (ink) {
    case Ink::dim: return "2";
    case Ink::bold: return "1";
    case Ink::operator_: return "36";
    case Ink::control: return "35";
    case Ink::kernel: return "1;33";
    default: return "";
  }
}

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string paint(std::string_view text, Ink ink, bool colour) {
  const std::string_view sequence = code(ink);
  if (!colour || sequence.empty() || text.empty()) return std::string(text);
  return "\x1b[" + std::string(sequence) + "m" + std::string(text) + "\x1b[0m";
}

bool wants_colour(std::string_view when) {
  if (when != "auto") return when == "always";
  const char* terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && !is_set("NO_COLOR") && !is_dumb;
}

}  // namespace torchship::cli
