#include "torchscript/outline.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace torchship {
namespace {

using namespace std::string_view_literals;

bool takes_more_than_lines(std::string_view code) {
  if (code.find_first_of("\t\r\f\v") != std::string_view::npos) return true;
  const auto marks = {"\"\"\""sv, "'''"sv, "\\\n"sv, "# type:"sv};
  return std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) {
    return code.find(mark) != std::string_view::npos;
  });
}

/// The size of the string literal that `code` begins with, or nothing where it does not end.
std::optional<std::size_t> string_size(std::string_view code) {
  for (std::size_t i = 1; i < code.size() && code[i] != '\n'; ++i) {
    if (code[i] == code[0]) return i + 1;
    if (code[i] == '\\') ++i;
  }
  return std::nullopt;
}

/// The size of the signature that `code` begins with, `def` to colon; nothing where it has none that
/// ends a line.
std::optional<std::size_t> signature_size(std::string_view code) {
  int open = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    switch (code[i]) {
      case '(':
      case '[':
      case '{': ++open; break;
      case ')':
      case ']':
      case '}': --open; break;
      case '\'':
      case '"':
        if (const auto size = string_size(code.substr(i))) {
          i += *size - 1;
          break;
        }
        return std::nullopt;
      case '#': return std::nullopt;
      case ':':
        if (open > 0) break;
        return code.substr(i + 1).starts_with('\n') ? std::optional(i + 1) : std::nullopt;
      default: break;
    }
  }
  return std::nullopt;
}

/// A line with its end, taken off the front of `code`.
std::string_view take_line(std::string_view& code) {
  const std::string_view line = code.substr(0, std::min(code.find('\n'), code.size() - 1) + 1);
  code.remove_prefix(line.size());
  return line;
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool says_nothing(std::string_view line) {
  const std::string_view text = line.substr(indentation(line));
  return text.empty() || text[0] == '\n' || text[0] == '#';
}

/// Whether a line declares the type of an attribute, which the archive's pickle tells by itself; named
/// tuples have no pickle.
bool is_needless(std::string_view line, bool in_module) {
  const std::size_t indent = indentation(line);
  return in_module && indent > 0 && !line.substr(indent).starts_with("__");
}

/// Takes the lines of a function's body off the front of `code`.
void take_body(std::string_view& code, std::size_t outside) {
  while (!code.empty()) {
    std::string_view rest = code;
    const std::string_view line = take_line(rest);
    if (!says_nothing(line) && indentation(line) <= outside) return;
    code = rest;
  }
}

}  // namespace

std::string outline(std::string code) {
  if (takes_more_than_lines(code)) return code;
  std::string lines;
  bool in_module = false;
  for (std::string_view rest = code; !rest.empty();) {
    const std::size_t indent = indentation(rest.substr(0, rest.find('\n')));
    if (!rest.substr(indent).starts_with("def ")) {
      const std::string_view line = take_line(rest);
      if (line.starts_with("class ")) in_module = line.ends_with("(Module):\n");
      if (!is_needless(line, in_module)) lines += line;
      continue;
    }
    const std::optional<std::size_t> size = signature_size(rest.substr(indent));
    if (!size) return code;
    lines += rest.substr(0, indent + *size);
    rest.remove_prefix(indent + *size + 1);
    lines.append("\n").append(indent, ' ').append("  pass\n");
    take_body(rest, indent);
  }
  return lines;
}

}  // namespace torchship
