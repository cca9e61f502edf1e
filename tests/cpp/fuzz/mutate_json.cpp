#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz/mutate_bytes.h"
#include "fuzz/mutate_text.h"

namespace torchship::fuzz {
namespace {

using namespace std::string_view_literals;
using Json = nlohmann::ordered_json;

/// Stands for text that no JSON library writes, and is replaced by it at the end.
constexpr std::string_view kPlaceholder = "@raw@";

constexpr std::array kRaw = {
    "NaN"sv,  "-Infinity"sv, "1e999"sv, "-1e999"sv, "99999999999999999999999"sv, "-0"sv, "1.5"sv,
    "-1"sv,   "1e-400"sv,    "01"sv,    "'x'"sv,    "tru"sv,  "\"\\ud800\""sv,   "\"\\u0000\""sv,
    "\"\xff\""sv, ""sv,      "{"sv,     "1,2"sv};
constexpr std::array kStrings = {
    ""sv,      "float32"sv, "float64"sv, "int64"sv, "complex64"sv, "bool"sv,  "qint8"sv, "float7"sv,
    "batch"sv, "nosuch"sv,  "forward"sv, "tensor"sv, "list"sv,     "tuple"sv, "dict"sv,  "none"sv,
    "any"sv,   "str"sv,     "nan"sv,     "inf"sv,    "-inf"sv,     "x"sv,     "cuda"sv,  "error"sv,
    "synthetic"sv, "samples.safetensors"sv, "../x"sv,
    // Of exported programs.
    "as_int"sv, "as_ints"sv, "as_tensor"sv, "as_tensors"sv, "as_none"sv, "as_float"sv, "as_graph"sv,
    "as_sym_int"sv, "as_name"sv, "as_expr"sv, "as_string"sv, "as_bool"sv, "as_scalar_type"sv,
    "name"sv, "self"sv, "other"sv, "p_layers_0_weight"sv, "s0"sv, "2*s0 + 1"sv, "FloorDiv(s0, 2)"sv,
    "torch.ops.aten.add.Tensor"sv, "torch.ops.aten.mul.Scalar"sv, "torch.ops.aten.view.default"sv,
    "torch.ops.aten.as_strided.default"sv, "torch.ops.aten.index.Tensor"sv,
    "torch.ops.aten.embedding.default"sv, "torch.ops.aten.sym_size.int"sv,
    "torch.ops.aten._assert_scalar.default"sv, "torch.ops.higher_order.cond"sv,
    "torch.ops.higher_order.while_loop"sv, "torch.ops.higher_order.with_effects"sv,
    "_operator.floordiv"sv, "torch.sym_max"sv, "weight_0"sv, "parameter"sv, "buffer"sv,
    "user_input"sv, "constant_input"sv, "buffer_mutation"sv, "builtins.dict"sv, "builtins.tuple"sv,
    "collections.namedtuple"sv};

void collect(Json& node, std::vector<Json*>& all) {
  all.push_back(&node);
  if (node.is_structured()) {
    for (Json& child : node) collect(child, all);
  }
}

std::string deep(Random& random) {
  const std::size_t depth = std::size_t{1} << (4 + random.below(16));
  if (random.once_in(2)) return std::string(depth, '[') + std::string(depth, ']');
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "{\"items\":[";
  return text + "1" + std::string(random.once_in(2) ? 0 : 1, ']');
}

Json other_value(std::vector<Json*>& all, Random& random) {
  switch (random.below(8)) {
    case 0: return random.number();
    case 1: return static_cast<double>(random.number()) / 3;
    case 2: return std::string(kStrings[random.below(kStrings.size())]);
    case 3: return random.once_in(2) ? Json(nullptr) : Json(random.once_in(2));
    case 4: return random.once_in(2) ? Json::array() : Json::object();
    case 5: return std::string(std::size_t{1} << random.below(20), 'x');
    case 6: return std::string(kPlaceholder);
    default: return *random.pick(all);
  }
}

void change(Json& root, Random& random) {
  std::vector<Json*> all;
  collect(root, all);
  Json& node = *random.pick(all);
  if (!node.is_structured() || node.empty() || random.once_in(3)) {
    Json value = other_value(all, random);
    node = std::move(value);
    return;
  }
  const auto at = std::next(node.begin(), static_cast<std::ptrdiff_t>(random.below(node.size())));
  switch (random.below(3)) {
    case 0: node.erase(at); break;
    case 1:
      if (node.is_array()) node.push_back(Json(*at));
      break;
    default:
      if (node.is_object()) {
        const Json value = *at;
        node[std::string(kStrings[random.below(kStrings.size())])] = value;
      }
  }
}

/// Repeats one "key": of the text, which gives an object the same key twice.
void repeat_key(std::string& text, Random& random) {
  const std::size_t colon = text.find(':', random.below(text.size()));
  if (colon == std::string::npos || colon == 0) return;
  const std::size_t start = text.rfind('"', text.rfind('"', colon) - 1);
  if (start == std::string::npos) return;
  text.insert(start, text.substr(start, colon - start) + ":1,");
}

void put_raw(std::string& text, Random& random) {
  const std::string quoted = "\"" + std::string(kPlaceholder) + "\"";
  for (std::size_t at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at)) {
    const std::string raw =
        random.once_in(4) ? deep(random) : std::string(kRaw[random.below(kRaw.size())]);
    text.replace(at, quoted.size(), raw);
    at += raw.size();
  }
}

/// What was changed before may be nested so deeply that writing it would take all of the stack.
bool is_deep(std::string_view json) {
  constexpr int kDeepest = 500;
  int depth = 0, most = 0;
  for (const char letter : json) {
    depth += letter == '[' || letter == '{' ? 1 : letter == ']' || letter == '}' ? -1 : 0;
    most = std::max(most, depth);
  }
  return most > kDeepest;
}

}  // namespace

std::string mutate_json(const std::string& json, Random& random) {
  if (is_deep(json)) return mutate_bytes(json, random);
  Json root = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded() || random.once_in(10)) return mutate_bytes(json, random);
  for (std::size_t times = 1 + random.below(3); times > 0; --times) change(root, random);
  std::string text = root.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (random.once_in(10)) repeat_key(text, random);
  put_raw(text, random);
  return text;
}

std::string mutate_safetensors(std::string bytes, Random& random) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length) || random.once_in(5)) return mutate_bytes(bytes, random);
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > bytes.size() - sizeof(length)) return mutate_bytes(bytes, random);
  const std::string header = mutate_json(bytes.substr(sizeof(length), length), random);
  const std::string data = bytes.substr(sizeof(length) + length);
  length = random.once_in(8) ? static_cast<std::uint64_t>(random.number()) : header.size();
  bytes.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + header + data;
}

}  // namespace torchship::fuzz
