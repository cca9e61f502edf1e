#include "aotinductor/call_spec.h"

#include <cctype>
#include <charconv>
#include <functional>
#include <optional>

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

std::optional<at::ScalarType> dtype_named(const std::string& name) {
  for (int i = 0; i < static_cast<int>(at::ScalarType::NumOptions); ++i) {
    const auto dtype = static_cast<at::ScalarType>(i);
    if (to_string(dtype) == name) return dtype;
  }
  return std::nullopt;
}

bool is_word(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}

/// The number that a text begins with; nothing where it begins with none.
std::optional<std::int64_t> leading_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && value >= 0 ? std::optional(value) : std::nullopt;
}

/// The number in "if (3L != name", where "name" is at the end of a text.
std::optional<std::int64_t> compared_number(std::string_view text) {
  while (!text.empty() && is_word(text.back())) text.remove_suffix(1);
  constexpr std::string_view kIf = "if (", kUnequal = " != ";
  if (!text.ends_with(kUnequal)) return std::nullopt;
  const std::size_t start = text.rfind(kIf);
  return start == std::string_view::npos ? std::nullopt
                                         : leading_number(text.substr(start + kIf.size()));
}

std::optional<at::ScalarType> checked_dtype(std::string_view body) {
  constexpr std::string_view kDtype = "aoti_torch_dtype_";
  const std::size_t start = body.find(kDtype);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view rest = body.substr(start + kDtype.size());
  return dtype_named(std::string(rest.substr(0, rest.find("()"))));
}

/// What is checked of the sizes of one input.
struct CheckedSizes {
  std::vector<DimensionRange> ranges;
  std::vector<Dimension> shape;
};

/// Reads "if (3L != name_size[1])", "name_size[0] < 2" and "name_size[0] > 64".
std::optional<CheckedSizes> checked_sizes(std::string_view body) {
  constexpr std::string_view kSize = "_size[";
  constexpr std::int64_t kMostDimensions = 64;
  CheckedSizes sizes;
  for (std::size_t at = body.find(kSize); at != std::string_view::npos;
       at = body.find(kSize, at + 1)) {
    const std::string_view rest = body.substr(at + kSize.size());
    const std::optional<std::int64_t> index = leading_number(rest);
    const std::size_t end = rest.find(']');
    if (!index || end == std::string_view::npos) continue;
    if (*index >= kMostDimensions) return std::nullopt;
    const auto i = static_cast<std::size_t>(*index);
    if (sizes.ranges.size() <= i) {
      sizes.ranges.resize(i + 1);
      sizes.shape.resize(i + 1);
    }
    const std::string_view after = rest.substr(end + 1);
    const auto limit = [&](std::string_view comparison) {
      return after.starts_with(comparison) ? leading_number(after.substr(comparison.size()))
                                           : std::nullopt;
    };
    if (const auto least = limit(" < ")) sizes.ranges[i].min = *least;
    if (const auto most = limit(" > ")) sizes.ranges[i].max = *most;
    const auto fixed = compared_number(body.substr(0, at));
    if (fixed && after.starts_with(")")) sizes.shape[i].size = *fixed;
  }
  return sizes;
}

/// Reads what the function that checks one input checks.
void add_checks(std::string_view body, ValueSpec& spec, MethodInfo& method) {
  spec.dtype = checked_dtype(body);
  if (!spec.dtype) return;
  std::optional<CheckedSizes> sizes = checked_sizes(body);
  if (!sizes) return;
  for (std::size_t i = 0; i < sizes->shape.size(); ++i) {
    if (sizes->shape[i].size >= 0) continue;
    DimensionRange& range = sizes->ranges[i];
    sizes->shape[i].symbol = static_cast<int>(method.dimensions.size());
    std::string name = std::to_string(method.dimensions.size());
    name.insert(name.begin(), 's');
    range.name = std::move(name);
    // The compiler reasons with sizes of at least 2, and computes smaller ones all the same.
    if (range.min == 2) range.min = 1;
    method.dimensions.push_back(range);
  }
  spec.shape = std::move(sizes->shape);
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
      add_checks(source.substr(at, end - at), spec, method);
    });
  }
}

}  // namespace torchship
