#include "printable.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace torchship::cli {
namespace {

unsigned byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The UTF-8 character at the start of `text`; length 0 if there is none.
struct Character {
  std::size_t length = 0;
  char32_t code = 0;
};

Character first_character(std::string_view text) {
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) return {1, first};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  char32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return {};
    code = (code << 6) | (byte_at(text, i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[length] || code > 0x10ffff || is_surrogate ? Character{}
                                                                  : Character{length, code};
}

bool controls_terminal(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x200e && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string escaped(const char* format, unsigned code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, code);
  return text.data();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.length == 0) {
      out += escaped("\\x%02x", byte_at(text, 0));
    } else if (controls_terminal(character.code)) {
      out += escaped(character.code < 0x100 ? "\\x%02x" : "\\u%04x", character.code);
    } else {
      out += text.substr(0, character.length);
    }
    text.remove_prefix(std::max<std::size_t>(character.length, 1));
  }
  return out;
}

std::size_t characters(std::string_view text) {
  const auto continued = std::count_if(text.begin(), text.end(), is_continuation);
  return text.size() - static_cast<std::size_t>(continued);
}

}  // namespace torchship::cli
