#include "exported/parse_program.h"

#include <torchship/error.h>

#include "archive/text.h"
#include "exported/json_access.h"
#include "exported/parse_graph.h"

namespace torchship {
namespace {

/// torch 2.6 to 2.13 wrote major version 8. Others may mean other things by the same words.
constexpr std::int64_t kMajor = 8;

ExportedVersion parse_version(const JsonAccess& access, const Json& json, const std::string& torch,
                              const std::string& place) {
  const ExportedVersion version = {access.integer(access.at(json, "major")),
                                   access.integer(access.at(json, "minor"))};
  if (version.major == kMajor) return version;
  const std::string found = std::to_string(version.major) + "." + std::to_string(version.minor);
  throw ArchiveError(place + ": has version " + found + " of torch.export's schema, by torch " +
                         torch + "; torchship reads version " + std::to_string(kMajor) +
                         ", which torch 2.6 to 2.13 write",
                     version.major < kMajor ? "export and save the model again with a newer PyTorch"
                                            : "it was saved by a newer PyTorch: use an older one, or "
                                              "a newer torchship");
}

std::string string_or_empty(const JsonAccess& access, const Json& json, const char* key) {
  const Json* found = access.find(json, key);
  return found != nullptr ? access.string(*found) : std::string();
}

std::string name_of(const JsonAccess& access, const Json& json) {
  return access.string(access.at(access.at(json, "arg"), "name"));
}

ExportedInputSpec parse_input(const JsonAccess& access, const Json& json) {
  using Kind = ExportedInputSpec::Kind;
  const auto [kind, value] = access.only(json);
  ExportedInputSpec spec;
  if (kind == "user_input") {
    spec.value = parse_argument(access, access.at(value, "arg"));
    const ExportedName* name = spec.value.get<ExportedName>();
    const ExportedObject* object = spec.value.get<ExportedObject>();
    spec.kind = name != nullptr ? Kind::user_input : Kind::constant;
    if (name != nullptr) spec.name = name->name;
    if (object != nullptr) {
      spec.kind = Kind::object;
      spec.name = object->name;
      spec.target = object->class_name;
    }
  } else if (kind == "parameter") {
    spec = {Kind::parameter, name_of(access, value),
            access.string(access.at(value, "parameter_name")), {}};
  } else if (kind == "buffer") {
    spec = {Kind::buffer, name_of(access, value), access.string(access.at(value, "buffer_name")), {}};
    const Json* persistent = access.find(value, "persistent");
    spec.persistent = persistent == nullptr || access.boolean(*persistent);
  } else if (kind == "tensor_constant") {
    spec = {Kind::tensor_constant, name_of(access, value),
            access.string(access.at(value, "tensor_constant_name")), {}};
  } else if (kind == "custom_obj") {
    spec = {Kind::object, name_of(access, value),
            access.string(access.at(access.at(value, "arg"), "class_fqn")), {}};
  } else if (kind == "constant_input") {
    spec.kind = Kind::constant;
    spec.name = access.string(access.at(value, "name"));
    spec.value = parse_argument(access, access.at(value, "value"));
  } else if (kind == "token") {
    spec = {Kind::token, name_of(access, value), {}, {}};
  } else {
    access.refuse("there is no kind of input " + quote(kind));
  }
  return spec;
}

ExportedOutputSpec parse_output(const JsonAccess& access, const Json& json) {
  using Kind = ExportedOutputSpec::Kind;
  const auto [kind, value] = access.only(json);
  const auto named = [&] { return ExportedArgument{ExportedName{name_of(access, value)}}; };
  if (kind == "user_output") return {Kind::user_output, parse_argument(access, access.at(value, "arg")), {}};
  if (kind == "loss_output") return {Kind::user_output, named(), {}};
  if (kind == "buffer_mutation") {
    return {Kind::buffer_mutation, named(), access.string(access.at(value, "buffer_name"))};
  }
  if (kind == "parameter_mutation") {
    return {Kind::parameter_mutation, named(), access.string(access.at(value, "parameter_name"))};
  }
  if (kind == "user_input_mutation") {
    return {Kind::input_mutation, named(), access.string(access.at(value, "user_input_name"))};
  }
  if (kind == "token") return {Kind::token, named(), {}};
  access.refuse("an output is a " + quote(kind) + ", which belongs to training");
}

void parse_signature(const JsonAccess& access, const Json& json, ExportedProgram& program) {
  for (const Json& input : access.array(access.at(json, "input_specs"))) {
    program.inputs.push_back(parse_input(access, input));
  }
  for (const Json& output : access.array(access.at(json, "output_specs"))) {
    program.outputs.push_back(parse_output(access, output));
  }
  if (program.inputs.size() != program.graph.inputs.size() ||
      program.outputs.size() != program.graph.outputs.size()) {
    access.refuse("the signature does not have as many inputs and outputs as the graph");
  }
}

/// How the model as a whole is called.
void parse_calls(const JsonAccess& access, const Json& json, ExportedProgram& program) {
  for (const Json& entry : access.array(json)) {
    if (!access.string(access.at(entry, "fqn")).empty()) continue;
    const Json& signature = access.at(entry, "signature");
    program.in_tree = access.string(access.at(signature, "in_spec"));
    program.out_tree = access.string(access.at(signature, "out_spec"));
    if (const Json* names = access.find(signature, "forward_arg_names")) {
      for (const Json& name : access.array(*names)) {
        program.argument_names.push_back(access.string(name));
      }
    }
    return;
  }
  access.refuse("nothing says how the model is called");
}

void parse_ranges(const JsonAccess& access, const Json& json, ExportedProgram& program) {
  for (auto range = access.object(json).begin(); range != json.end(); ++range) {
    ExportedRange& parsed = program.ranges[range.key()];
    if (const Json* least = access.find(*range, "min_val")) parsed.min = access.integer(*least);
    if (const Json* most = access.find(*range, "max_val")) parsed.max = access.integer(*most);
  }
}

/// "key,path,class;key,path,class": the classes of the modules whose code a node is.
void note_classes(const ExportedGraph& graph, std::map<std::string, std::string>& classes) {
  for (const ExportedNode& node : graph.nodes) {
    std::string_view rest = node.module_stack;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view entry = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const std::size_t first = entry.find(','), second = entry.find(',', first + 1);
      if (first == std::string_view::npos || second == std::string_view::npos) continue;
      classes.try_emplace(std::string(entry.substr(first + 1, second - first - 1)),
                          entry.substr(second + 1));
    }
  }
}

void parse_tuple_fields(const JsonAccess& access, const Json& json, ExportedProgram& program) {
  for (auto each = access.object(json).begin(); each != json.end(); ++each) {
    for (const Json& name : access.array(access.at(*each, "field_names"))) {
      program.tuple_fields[each.key()].push_back(access.string(name));
    }
  }
}

}  // namespace

ExportedTensor parse_tensor_meta(const Json& json, const std::string& place) {
  return parse_tensor(JsonAccess(place), json);
}

ExportedProgram parse_program(std::string_view text, const std::string& place) {
  const Json json = parse_json(text, place, kProgramLimits);
  const JsonAccess access(place);
  ExportedProgram program;
  program.torch = string_or_empty(access, json, "torch_version");
  program.version =
      parse_version(access, access.at(json, "schema_version"), program.torch, place);
  const Json& module = access.at(json, "graph_module");
  program.graph = parse_graph(access, access.at(module, "graph"));
  parse_signature(access, access.at(module, "signature"), program);
  parse_calls(access, access.at(module, "module_call_graph"), program);
  parse_ranges(access, access.at(json, "range_constraints"), program);
  if (const Json* fields = access.find(module, "treespec_namedtuple_fields")) {
    parse_tuple_fields(access, *fields, program);
  }
  if (const Json* guards = access.find(json, "guards_code")) {
    for (const Json& guard : access.array(*guards)) program.guards.push_back(access.string(guard));
  }
  note_classes(program.graph, program.module_classes);
  return program;
}

}  // namespace torchship
