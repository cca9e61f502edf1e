#include "exported/parse_graph.h"

#include <limits>

#include <torchship/error.h>

#include "archive/text.h"
#include "exported/enumerations.h"

namespace torchship {
namespace {

c10::Device parse_device(const JsonAccess& access, const Json& json) {
  const std::string& type = access.string(access.at(json, "type"));
  const Json* index = access.find(json, "index");
  const std::int64_t number = index != nullptr ? access.integer(*index) : -1;
  if (number < -1 || number > std::numeric_limits<c10::DeviceIndex>::max()) {
    access.refuse("there is no device number " + std::to_string(number));
  }
  try {
    const c10::Device device(type);
    if (!device.has_index()) {
      return {device.type(), static_cast<c10::DeviceIndex>(number)};
    }
  } catch (const std::exception&) {
    // Said below.
  }
  access.refuse("there is no device " + quote(type));
}

template <typename T, typename Number>
T enumeration(const JsonAccess& access, const Json& json, const char* what, const Number& number) {
  const std::int64_t value = access.integer(json);
  if (const std::optional<T> known = number(value)) return *known;
  access.refuse("there is no " + std::string(what) + " number " + std::to_string(value));
}

c10::ScalarType parse_dtype(const JsonAccess& access, const Json& json) {
  return enumeration<c10::ScalarType>(access, json, "dtype", exported_dtype);
}

c10::Layout parse_layout(const JsonAccess& access, const Json& json) {
  return enumeration<c10::Layout>(access, json, "layout", exported_layout);
}

c10::MemoryFormat parse_memory_format(const JsonAccess& access, const Json& json) {
  return enumeration<c10::MemoryFormat>(access, json, "memory format", exported_memory_format);
}

ExportedName parse_name(const JsonAccess& access, const Json& json) {
  return {access.string(access.at(json, "name"))};
}

/// {"as_name": "s0"}, or a plain value.
template <typename Plain>
ExportedArgument parse_maybe_named(const JsonAccess& access, const Json& json, const Plain& plain) {
  const auto [kind, value] = access.only(json);
  if (kind == "as_name") return {ExportedName{access.string(value)}};
  return {plain(value)};
}

template <typename Each>
ExportedArgument parse_list(const JsonAccess& access, const Json& json, const Each& each) {
  ExportedArgument::List list;
  list.reserve(access.array(json).size());
  for (const Json& item : json) list.push_back(each(item));
  return {std::move(list)};
}

/// The values of Argument that are one thing; nothing for the rest.
std::optional<ExportedArgument> parse_single(const JsonAccess& access, const std::string& kind,
                                             const Json& json) {
  const auto integer = [&](const Json& value) { return access.integer(value); };
  const auto number = [&](const Json& value) { return access.number(value); };
  const auto boolean = [&](const Json& value) { return access.boolean(value); };
  if (kind == "as_none") return ExportedArgument{};
  if (kind == "as_tensor") return ExportedArgument{parse_name(access, json)};
  if (kind == "as_int") return ExportedArgument{access.integer(json)};
  if (kind == "as_float") return ExportedArgument{access.number(json)};
  if (kind == "as_bool") return ExportedArgument{access.boolean(json)};
  if (kind == "as_string" || kind == "as_operator") return ExportedArgument{access.string(json)};
  if (kind == "as_sym_int") return parse_maybe_named(access, json, integer);
  if (kind == "as_sym_float") return parse_maybe_named(access, json, number);
  if (kind == "as_sym_bool") return parse_maybe_named(access, json, boolean);
  if (kind == "as_scalar_type") return ExportedArgument{parse_dtype(access, json)};
  if (kind == "as_memory_format") return ExportedArgument{parse_memory_format(access, json)};
  if (kind == "as_layout") return ExportedArgument{parse_layout(access, json)};
  if (kind == "as_device") return ExportedArgument{parse_device(access, json)};
  if (kind == "as_optional_tensor") return parse_argument(access, json);
  if (kind == "as_complex") {
    return ExportedArgument{std::complex<double>(access.number(access.at(json, "real")),
                                                 access.number(access.at(json, "imag")))};
  }
  if (kind == "as_custom_obj") {
    return ExportedArgument{ExportedObject{access.string(access.at(json, "name")),
                                           access.string(access.at(json, "class_fqn"))}};
  }
  if (kind == "as_graph") {
    return ExportedArgument{ExportedSubgraph{
        access.string(access.at(json, "name")),
        std::make_shared<const ExportedGraph>(parse_graph(access, access.at(json, "graph")))}};
  }
  return std::nullopt;
}

/// What the items of a list are, one by one.
const char* item_kind(const std::string& kind) {
  if (kind == "as_tensors") return "as_tensor";
  if (kind == "as_ints") return "as_int";
  if (kind == "as_floats") return "as_float";
  if (kind == "as_strings") return "as_string";
  if (kind == "as_bools") return "as_bool";
  if (kind == "as_sym_ints") return "as_sym_int";
  if (kind == "as_sym_floats") return "as_sym_float";
  if (kind == "as_sym_bools") return "as_sym_bool";
  if (kind == "as_optional_tensors") return "as_optional_tensor";
  if (kind == "as_nested_tensors") return "as_tensors";
  if (kind == "as_int_lists") return "as_ints";
  if (kind == "as_float_lists") return "as_floats";
  return nullptr;
}

ExportedArgument parse_kind(const JsonAccess& access, const std::string& kind, const Json& json) {
  if (auto single = parse_single(access, kind, json)) return std::move(*single);
  if (const char* item = item_kind(kind)) {
    return parse_list(access, json, [&, name = std::string(item)](const Json& each) {
      return parse_kind(access, name, each);
    });
  }
  if (kind == "as_string_to_argument") {
    ExportedArgument::Dict dict;
    for (auto member = access.object(json).begin(); member != json.end(); ++member) {
      dict.emplace_back(member.key(), parse_argument(access, *member));
    }
    return {std::move(dict)};
  }
  access.refuse("there is no kind of value " + quote(kind));
}

std::string metadata(const JsonAccess& access, const Json& node, const char* key) {
  const Json* all = access.find(node, "metadata");
  const Json* value = all != nullptr ? access.find(*all, key) : nullptr;
  return value != nullptr ? access.string(*value) : std::string();
}

ExportedNode parse_node(const JsonAccess& access, const Json& json) {
  ExportedNode node;
  node.target = access.string(access.at(json, "target"));
  for (const Json& input : access.array(access.at(json, "inputs"))) {
    node.inputs.push_back({access.string(access.at(input, "name")),
                           parse_argument(access, access.at(input, "arg"))});
  }
  for (const Json& output : access.array(access.at(json, "outputs"))) {
    node.outputs.push_back(parse_argument(access, output));
  }
  node.stack_trace = metadata(access, json, "stack_trace");
  node.module_stack = metadata(access, json, "nn_module_stack");
  return node;
}

std::vector<ExportedArgument> parse_arguments(const JsonAccess& access, const Json& json) {
  std::vector<ExportedArgument> arguments;
  for (const Json& each : access.array(json)) arguments.push_back(parse_argument(access, each));
  return arguments;
}

std::set<std::string> names_in(const JsonAccess& access, const Json& graph, const char* key) {
  std::set<std::string> names;
  const Json* all = access.find(graph, key);
  if (all == nullptr) return names;
  for (auto value = access.object(*all).begin(); value != all->end(); ++value) {
    names.insert(value.key());
  }
  return names;
}

}  // namespace

ExportedArgument parse_argument(const JsonAccess& access, const Json& json) {
  const auto [kind, value] = access.only(json);
  return parse_kind(access, kind, value);
}

SizeExpression parse_symbolic(const JsonAccess& access, const Json& json) {
  const auto [kind, value] = access.only(json);
  if (kind == "as_int") {
    SizeExpression size;
    size.constant = access.integer(value);
    return size;
  }
  if (kind != "as_expr") access.refuse("there is no kind of size " + quote(kind));
  return parse_size(access.string(access.at(value, "expr_str")));
}

ExportedTensor parse_tensor(const JsonAccess& access, const Json& json) {
  ExportedTensor tensor;
  tensor.dtype = parse_dtype(access, access.at(json, "dtype"));
  for (const Json& size : access.array(access.at(json, "sizes"))) {
    tensor.sizes.push_back(parse_symbolic(access, size));
  }
  for (const Json& stride : access.array(access.at(json, "strides"))) {
    tensor.strides.push_back(parse_symbolic(access, stride));
  }
  tensor.offset = parse_symbolic(access, access.at(json, "storage_offset"));
  tensor.device = parse_device(access, access.at(json, "device"));
  tensor.layout = parse_layout(access, access.at(json, "layout"));
  return tensor;
}

ExportedGraph parse_graph(const JsonAccess& access, const Json& json) {
  ExportedGraph graph;
  graph.inputs = parse_arguments(access, access.at(json, "inputs"));
  const Json& nodes = access.array(access.at(json, "nodes"));
  graph.nodes.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    access.enter("node " + std::to_string(i));
    graph.nodes.push_back(parse_node(access, nodes[i]));
  }
  access.enter("");
  graph.outputs = parse_arguments(access, access.at(json, "outputs"));
  // Of results on the way the operators themselves decide; the file describes every one of them.
  const Json& tensors = access.object(access.at(json, "tensor_values"));
  for (const auto* arguments : {&graph.inputs, &graph.outputs}) {
    for (const ExportedArgument& argument : *arguments) {
      const auto* name = argument.get<ExportedName>();
      const auto found = name != nullptr ? tensors.find(name->name) : tensors.end();
      if (found != tensors.end()) graph.tensors.emplace(name->name, parse_tensor(access, *found));
    }
  }
  const Json& integers = access.object(access.at(json, "sym_int_values"));
  for (auto value = integers.begin(); value != integers.end(); ++value) {
    graph.integers.emplace(value.key(), parse_symbolic(access, *value));
  }
  graph.floats = names_in(access, json, "sym_float_values");
  graph.booleans = names_in(access, json, "sym_bool_values");
  return graph;
}

}  // namespace torchship
