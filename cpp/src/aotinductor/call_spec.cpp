#include "aotinductor/call_spec.h"

#include <charconv>
#include <functional>
#include <optional>
#include <regex>

#include <torchship/error.h>

#include "pytree/pytree.h"

namespace torchship {
namespace {

/// What both trees begin with: a version, and the first node.
constexpr std::string_view kStart = "[1, {\"type\": ";

/// The next JSON array from `at` on that is such a tree; `at` moves behind it.
std::optional<std::string> next_tree(std::string_view bytes, std::size_t& at) {
  at = bytes.find(kStart, at);
  if (at == std::string_view::npos) return std::nullopt;
  constexpr std::size_t kLongest = 1 << 20;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = at; i < bytes.size() && i - at < kLongest; ++i) {
    const char letter = bytes[i];
    if (letter == '\0') break;
    if (quoted) {
      if (letter == '\\') ++i;
      quoted = letter != '"';
      continue;
    }
    quoted = letter == '"';
    depth += letter == '[' || letter == '{' ? 1 : letter == ']' || letter == '}' ? -1 : 0;
    if (depth == 0) {
      std::string tree(bytes.substr(at, i + 1 - at));
      at = i + 1;
      return tree;
    }
  }
  return std::nullopt;
}

ValueSpec leaf() {
  ValueSpec spec;
  spec.kind = Kind::tensor;
  spec.type = "Tensor";
  return spec;
}

ValueSpec parse_tree(const std::string& text, const std::string& place) {
  return spec_of(parse_pytree(text, place), leaf);
}

void each_tensor(ValueSpec& spec, const std::function<void(ValueSpec&)>& action) {
  if (spec.kind == Kind::tensor) action(spec);
  if (!spec.members) return;
  for (ValueSpec& member : *spec.members) each_tensor(member, action);
}

std::int64_t number(const std::string& text) {
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<at::ScalarType> dtype_named(const std::string& name) {
  for (int i = 0; i < static_cast<int>(at::ScalarType::NumOptions); ++i) {
    const auto dtype = static_cast<at::ScalarType>(i);
    if (to_string(dtype) == name) return dtype;
  }
  return std::nullopt;
}

/// Reads what the function that checks one input checks.
void add_checks(const std::string& body, ValueSpec& spec, MethodInfo& method) {
  static const std::regex kDtype("aoti_torch_dtype_(\\w+)\\(\\)");
  static const std::regex kFixed("if \\((\\d+)L? != \\w+_size\\[(\\d+)\\]\\)");
  static const std::regex kLeast("_size\\[(\\d+)\\] < (\\d+)");
  static const std::regex kMost("_size\\[(\\d+)\\] > (\\d+)");
  static const std::regex kAny("_size\\[(\\d+)\\]");
  std::smatch match;
  if (std::regex_search(body, match, kDtype)) spec.dtype = dtype_named(match[1]);
  if (!spec.dtype) return;
  const auto each = [&](const std::regex& pattern, const auto& action) {
    for (std::sregex_iterator at(body.begin(), body.end(), pattern), end; at != end; ++at) action(*at);
  };
  std::int64_t dimensions = 0;
  each(kAny, [&](const auto& m) { dimensions = std::max(dimensions, number(m[1]) + 1); });
  constexpr std::int64_t kMostDimensions = 64;
  if (dimensions > kMostDimensions) return;
  std::vector<DimensionRange> ranges(static_cast<std::size_t>(dimensions));
  std::vector<Dimension> shape(ranges.size());
  const auto index = [](const std::string& text) { return static_cast<std::size_t>(number(text)); };
  each(kFixed, [&](const auto& m) { shape[index(m[2])].size = number(m[1]); });
  each(kLeast, [&](const auto& m) { ranges[index(m[1])].min = number(m[2]); });
  each(kMost, [&](const auto& m) { ranges[index(m[1])].max = number(m[2]); });
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].size >= 0) continue;
    shape[i].symbol = static_cast<int>(method.dimensions.size());
    ranges[i].name = "s" + std::to_string(method.dimensions.size());
    // The compiler reasons with sizes of at least 2, and computes smaller ones all the same.
    if (ranges[i].min == 2) ranges[i].min = 1;
    method.dimensions.push_back(ranges[i]);
  }
  spec.shape = std::move(shape);
}

}  // namespace

CallSpec find_call_spec(std::string_view library, const std::string& place) {
  std::size_t at = 0;
  const auto in = next_tree(library, at);
  const auto out = in ? next_tree(library, at) : std::nullopt;
  if (!out) throw ArchiveError(place + ": does not say how it is called");
  const ValueSpec call = parse_tree(*in, place);
  if (call.kind != Kind::tuple || call.members->size() != 2) {
    throw ArchiveError(place + ": is called in a way that torchship does not know");
  }
  CallSpec spec;
  for (const ValueSpec& input : *(*call.members)[0].members) {
    spec.inputs.push_back(input);
    spec.inputs.back().name = "input_" + std::to_string(spec.inputs.size() - 1);
  }
  for (const ValueSpec& input : *(*call.members)[1].members) spec.inputs.push_back(input);
  spec.output = parse_tree(*out, place);
  return spec;
}

void add_checked_sizes(std::string_view source, MethodInfo& method) {
  std::size_t number_of_input = 0;
  for (ValueSpec& input : method.inputs) {
    each_tensor(input, [&](ValueSpec& spec) {
      const std::string start = "static void check_input_" + std::to_string(number_of_input++) + "(";
      const std::size_t at = source.find(start);
      if (at == std::string_view::npos) return;
      const std::size_t end = source.find("\n}\n", at);
      add_checks(std::string(source.substr(at, end - at)), spec, method);
    });
  }
}

}  // namespace torchship
