#include "torchscript/message.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <c10/util/Exception.h>

#include "archive/text.h"
#include "torchscript/source.h"

namespace torchship {
namespace {

struct Advice {
  std::string_view sign;  ///< Part of LibTorch's message.
  std::string_view hint;
};

constexpr std::array kAdvice = {
    Advice{"Unknown builtin op", "the model needs an operator that this process does not have; it "
                                 "comes from a library such as torchvision or a custom extension: "
                                 "--op-library FILE, or operator_libraries, loads that"},
    Advice{"Unknown type name", "the model needs a class that this process does not have; it comes "
                                "from a custom extension or another backend"},
    Advice{"Class Namespace cannot be used",
           "the model needs a class that this process does not have; torchship lint names it"},
    Advice{"have the same dtype", "convert the input to the dtype of the model's weights"},
    Advice{"expected scalar type", "convert the input to the dtype that the model expects"},
    Advice{"out of memory", "use a smaller batch, or free memory on the device"},
    Advice{"same device", "the model keeps a device that was fixed when it was traced; trace it on "
                          "the device where it shall run"},
};

std::string raw_text(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
}

/// The interpreter puts the reason last, after "RuntimeError: " or "builtins.ValueError: ".
std::string_view reason(std::string_view text) {
  if (text.find("Traceback of TorchScript") == std::string_view::npos) {
    return text;
  }
  const std::size_t line_start = text.rfind("\nRuntimeError: ");
  if (line_start != std::string_view::npos) {
    return text.substr(line_start + sizeof("\nRuntimeError: ") - 1);
  }
  // Some other exception class: the first line after the traceback's indented lines.
  std::size_t at = text.rfind("\n  ");
  at = at == std::string_view::npos ? at : text.find('\n', at + 1);
  return at == std::string_view::npos ? text : text.substr(at + 1);
}

bool is_noise(std::string_view line) {
  return line.empty() || line.starts_with("Exception raised from") || line.starts_with("frame #") ||
         line.find("~~~") != std::string_view::npos || line.ends_with("<--- HERE");
}

/// LibTorch tells types of the same name apart by where they are in memory.
std::string without_addresses(std::string text) {
  constexpr std::string_view kUnit = " (of Python compilation unit at: 0x";
  for (std::size_t at = text.find(kUnit); at != std::string::npos; at = text.find(kUnit)) {
    const std::size_t end = text.find(')', at);
    text.erase(at, end == std::string::npos ? end : end + 1 - at);
  }
  return text;
}

/// The first paragraph as one line, without LibTorch's internal notes.
std::string one_line(std::string_view text) {
  constexpr std::size_t kLongest = 400;
  std::string joined;
  while (!text.empty() && joined.size() < kLongest) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("File \"") || line.starts_with("Serialized")) {
      break;
    }
    if (!is_noise(line)) {
      joined += joined.empty() ? "" : " ";
      joined += line;
    }
  }
  if (joined.size() > kLongest) {
    joined.resize(kLongest);
    joined += " ...";
  }
  return joined.empty() ? "LibTorch gave no reason" : without_addresses(std::move(joined));
}

/// The user's own line among the frames of the original code.
std::string source_line(std::string_view text) {
  const std::size_t original = text.find("original code");
  if (original != std::string_view::npos) return user_line(text.substr(original));
  // Graphs that were never serialized have the author's stack for source.
  const std::size_t trace = text.find("Traceback of TorchScript (most recent call last):");
  return trace == std::string_view::npos ? std::string() : user_line(text.substr(trace));
}

}  // namespace

TorchMessage explain(const std::exception& error) {
  const std::string text = raw_text(error);
  TorchMessage message{.text = one_line(reason(text)), .source = source_line(text), .hint = {}};
  for (const Advice& advice : kAdvice) {
    if (text.find(advice.sign) != std::string::npos) {
      message.hint = advice.hint;
      break;
    }
  }
  return message;
}

}  // namespace torchship
