#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "fuzz/mutate_bytes.h"
#include "fuzz/mutate_text.h"

namespace torchship::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr std::array kWords = {
    "Tensor"sv,     "int"sv,           "float"sv,       "bool"sv,        "str"sv,
    "None"sv,       "List"sv,          "Dict"sv,        "Optional"sv,    "Tuple"sv,
    "Any"sv,        "self"sv,          "Device"sv,      "number"sv,      "Future"sv,
    "torch"sv,      "ops"sv,           "aten"sv,        "prim"sv,        "annotate"sv,
    "unchecked_cast"sv, "uninitialized"sv, "fork"sv,    "CONSTANTS"sv,   "c0"sv,
    "c99"sv,        "def"sv,           "class"sv,       "return"sv,      "if"sv,
    "not"sv,        "__torch__"sv,     "forward"sv,     "linear"sv,      "view"sv,
    "as_strided"sv, "no_such_operator"sv, "resize_"sv,  "set_"sv,        "__isinstance__"sv,
    "getattr"sv,    "NamedTuple"sv,    "Module"sv,      "__parameters__"sv, "__buffers__"sv,
    "training"sv,   "Interface"sv,     "Enum"sv,        "lambda"sv,      "inf"sv};

struct Span {
  std::size_t at;
  std::size_t length;
};

bool in_word(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) || letter == '_';
}

std::vector<Span> words_of(const std::string& code) {
  std::vector<Span> words;
  for (std::size_t at = 0; at < code.size();) {
    std::size_t end = at;
    while (end < code.size() && in_word(code[end])) ++end;
    if (end > at) words.push_back({at, end - at});
    at = end + 1;
  }
  return words;
}

std::vector<Span> lines_of(const std::string& code) {
  std::vector<Span> lines;
  for (std::size_t at = 0; at < code.size();) {
    const std::size_t end = std::min(code.find('\n', at), code.size() - 1) + 1;
    lines.push_back({at, end - at});
    at = end;
  }
  return lines;
}

void change_word(std::string& code, Random& random) {
  std::vector<Span> words = words_of(code);
  if (words.empty()) return;
  const Span word = random.pick(words);
  const bool number = std::isdigit(static_cast<unsigned char>(code[word.at])) != 0;
  std::string with;
  switch (random.below(4)) {
    case 0: with = kWords[random.below(kWords.size())]; break;
    case 1: with = std::to_string(random.number()); break;
    case 2: with = number ? std::to_string(random.number()) : "x" + std::to_string(random.below(9));
            break;
    default: {
      const Span other = random.pick(words);
      with = code.substr(other.at, other.length);
    }
  }
  code.replace(word.at, word.length, with);
}

void change_line(std::string& code, Random& random) {
  std::vector<Span> lines = lines_of(code);
  if (lines.empty()) return;
  const Span line = random.pick(lines);
  const Span other = random.pick(lines);
  const std::string text = code.substr(line.at, line.length);
  switch (random.below(4)) {
    case 0: code.erase(line.at, line.length); break;
    case 1: code.insert(other.at, text); break;
    case 2: code.insert(line.at, random.below(20), ' '); break;
    default: code.replace(other.at, other.length, text); break;
  }
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

/// Something that a recursive parser goes down into, once for each repetition.
void nest(std::string& code, Random& random) {
  constexpr std::array kOpen = {"("sv,   "["sv,  "{"sv,       "not "sv,     "-"sv,    "~"sv,
                                "a."sv,  "a+"sv, "List["sv,   "a if b else "sv, "f("sv, "a**"sv,
                                "a[0]"sv, "Optional["sv, "a and "sv, "lambda: "sv, "*"sv, "a<"sv};
  const std::size_t depth = std::size_t{1} << (4 + random.below(14));
  std::vector<Span> words = words_of(code);
  const std::size_t at = words.empty() ? 0 : random.pick(words).at;
  if (random.once_in(4)) {
    std::string blocks;
    for (std::size_t i = 0; i < std::min<std::size_t>(depth, 2000); ++i) {
      blocks += std::string(2 * i, ' ') + "if True:\n";
    }
    code.insert(at, blocks);
  } else {
    code.insert(at, repeated(kOpen[random.below(kOpen.size())], depth));
  }
}

}  // namespace

std::string mutate_code(std::string code, Random& random) {
  for (std::size_t times = 1 + random.below(3); times > 0; --times) {
    switch (random.below(12)) {
      case 0: code.resize(random.below(code.size() + 1)); break;
      case 1: nest(code, random); break;
      case 2: code = mutate_bytes(std::move(code), random); break;
      case 3:
      case 4:
      case 5: change_line(code, random); break;
      default: change_word(code, random); break;
    }
  }
  return code;
}

}  // namespace torchship::fuzz
