#include "torchscript/source.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <torch/csrc/jit/frontend/source_range.h>

#include "archive/text.h"

namespace torchship {
namespace {

/// PyTorch's own, the code that it makes on the way, and the calls of whoever traced.
bool is_torch_source(std::string_view path) {
  return path.starts_with("<eval_with_key>") ||
         path.find("packages/torch/") != std::string_view::npos || path.starts_with("torch/") ||
         path.find("packages\\torch\\") != std::string_view::npos ||
         path.find("packages/torchship/") != std::string_view::npos;
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

namespace {

using torch::jit::SourceRange;

/// What exported programs have for source: the stack of Python's own traceback.
std::string python_stack(const SourceRange& range) {
  const auto& source = range.source();
  if (source == nullptr) return {};
  const std::string text = source->text_str().str();
  return text.starts_with("File \"") ? text : std::string();
}

/// From the outermost call to the node itself.
std::vector<SourceRange> ranges_of(const torch::jit::Node& node) {
  std::vector<SourceRange> ranges;
  if (const auto calls = node.callstack()) {
    for (const auto& call : (*calls)->vec()) {
      ranges.push_back(std::get<SourceRange>(call));
    }
  }
  ranges.push_back(node.sourceRange());
  return ranges;
}

/// The text of the line, where the range is one of scripted code, whose source the archive has.
std::string text_of(const SourceRange& range, const UserLine& found) {
  const auto place = range.file_line_col();
  if (!place || std::get<0>(*place) != found.file ||
      std::get<1>(*place) != static_cast<std::size_t>(found.line)) {
    return {};
  }
  const torch::jit::Source& source = *range.source();
  const std::string text = source.get_line(source.lineno_for_offset(range.start())).str();
  const bool is_frame = !place_in(text).empty();  // Of a trace: a place, and no source.
  return is_frame ? std::string() : std::string(trim(text));
}

UserLine parse_place(const std::string& place) {
  const std::size_t colon = place.rfind(':');
  if (colon == std::string::npos) return {};
  UserLine line{.file = place.substr(0, colon), .line = 0, .text = {}};
  std::from_chars(place.data() + colon + 1, place.data() + place.size(), line.line);
  return line;
}

}  // namespace

UserLine python_line(std::string_view stack) {
  const std::string place = user_line(stack);
  UserLine line = parse_place(place);
  // The statement is below its frame, unless the file was not there to read.
  while (!stack.empty()) {
    const std::size_t end = std::min(stack.find('\n'), stack.size());
    const bool is_frame = place_in(stack.substr(0, end)) == place && !place.empty();
    stack.remove_prefix(std::min(end + 1, stack.size()));
    if (!is_frame) continue;
    const std::string_view next = stack.substr(0, std::min(stack.find('\n'), stack.size()));
    line.text = place_in(next).empty() ? std::string(trim(next)) : std::string();
  }
  return line;
}

namespace {

/// The innermost line of the user's own, else PyTorch's own.
UserLine innermost(const std::vector<SourceRange>& ranges) {
  UserLine in_torch;
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const auto original = range->findSourceRangeThatGenerated();
    UserLine line = original ? parse_place(user_line(original->str()))
                             : python_line(python_stack(*range));
    if (line.file.empty()) continue;
    if (original) line.text = text_of(*original, line);
    if (!is_torch_source(line.file)) return line;
    if (in_torch.file.empty()) in_torch = std::move(line);
  }
  return in_torch;
}

}  // namespace

UserLine find_user_line(const torch::jit::Node& node) { return innermost(ranges_of(node)); }

UserLine find_user_line(const SourceRange& range) { return innermost({range}); }

std::string user_line(const torch::jit::Node& node) {
  const UserLine found = find_user_line(node);
  return found.file.empty() ? std::string() : found.file + ":" + std::to_string(found.line);
}

}  // namespace torchship
