#include "torchscript/source.h"

#include <algorithm>
#include <vector>

#include <torch/csrc/jit/frontend/source_range.h>

#include "archive/text.h"

namespace torchship {
namespace {

bool is_torch_source(std::string_view path) {
  return path.find("packages/torch/") != std::string_view::npos ||
         path.find("packages\\torch\\") != std::string_view::npos;
}

/// The place in `File "net.py", line 12` or, as the tracer writes it, `net.py(12): forward`.
std::string place_in(std::string_view line) {
  line = trim(line);
  const bool scripted = line.starts_with("File \"");
  const std::size_t path_start = scripted ? 6 : 0;
  const std::string_view between = scripted ? "\", line " : "(";
  const std::size_t path_end = line.find(between, path_start);
  if (path_end == std::string_view::npos || (!scripted && line.find("): ") < path_end)) {
    return {};
  }
  const std::string_view number = line.substr(path_end + between.size());
  const std::size_t digits = std::min(number.find_first_not_of("0123456789"), number.size());
  if (digits == 0 || (!scripted && !number.substr(digits).starts_with("): "))) {
    return {};
  }
  return std::string(line.substr(path_start, path_end - path_start)) + ":" +
         std::string(number.substr(0, digits));
}

}  // namespace

std::string user_line(std::string_view frames) {
  std::string found;
  std::string found_in_torch;
  while (!frames.empty()) {
    const std::size_t end = std::min(frames.find('\n'), frames.size());
    const std::string place = place_in(frames.substr(0, end));
    if (!place.empty()) {
      // Scripted frames are listed from the outermost, traced ones from the innermost.
      const bool traced = frames.substr(0, end).find("File \"") == std::string_view::npos;
      std::string& slot = is_torch_source(place) ? found_in_torch : found;
      slot = traced && !slot.empty() ? slot : place;
    }
    frames.remove_prefix(std::min(end + 1, frames.size()));
  }
  return found.empty() ? found_in_torch : found;
}

std::string user_line(const torch::jit::Node& node) {
  std::vector<torch::jit::SourceRange> ranges;  // From the outermost call to the node itself.
  if (const auto calls = node.callstack()) {
    for (const auto& call : (*calls)->vec()) {
      ranges.push_back(std::get<torch::jit::SourceRange>(call));
    }
  }
  ranges.push_back(node.sourceRange());
  std::string in_torch;
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const auto original = range->findSourceRangeThatGenerated();
    const std::string line = original ? user_line(original->str()) : std::string();
    if (!line.empty() && !is_torch_source(line)) {
      return line;
    }
    in_torch = in_torch.empty() ? line : in_torch;
  }
  return in_torch;
}

}  // namespace torchship
