#pragma once

#include <string>
#include <string_view>

namespace torchship {

/// Whether the bytes are UTF-8 as the standard has it: no surrogates, nothing overlong.
bool is_utf8(std::string_view text) noexcept;

bool is_ascii(std::string_view text) noexcept;

bool has_control_characters(std::string_view text) noexcept;

/// The text without the white space around it.
std::string_view trim(std::string_view text) noexcept;

/// A name out of a file, fit for a one-line message: in single quotes, long ones cut, bytes that do
/// not print as \x0a.
std::string quote(std::string_view name);

}  // namespace torchship
