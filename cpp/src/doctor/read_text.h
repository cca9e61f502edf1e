#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace torchship {

/// The first line of a file of /proc or /sys, without blanks at its end; empty when there is none.
std::string first_line(const std::filesystem::path& file);

/// All lines of such a file; none when it cannot be read.
std::vector<std::string> lines_of(const std::filesystem::path& file);

/// What stands behind `key` and a colon, in "key : value" lines; empty when no line has it.
std::string value_of(const std::vector<std::string>& lines, const std::string& key);

/// An environment variable; empty when it is not set.
std::string environment(const char* name);

}  // namespace torchship
