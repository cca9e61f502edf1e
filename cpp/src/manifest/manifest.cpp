#include "manifest/manifest.h"

#include <algorithm>
#include <set>

#include <torchship/error.h>

#include "manifest/field.h"
#include "manifest/json.h"
#include "manifest/specs.h"

namespace torchship {
namespace {

constexpr std::int64_t kFormat = 1;

/// What LoadOptions::engine may be besides an id.
const std::set<std::string> kEngineWords = {"", "auto", "interpreter", "compiled", "planned"};

std::int64_t parse_format(const Field& field, const std::string& place) {
  const std::int64_t format = field.integer();
  if (format != kFormat) {
    throw ArchiveError(place + ": format: expected " + std::to_string(kFormat) + ", got " +
                           std::to_string(format),
                       "another version of torchship wrote the file: install that one here, or "
                       "save the model again with this one");
  }
  return format;
}

std::map<std::string, std::string> parse_strings(const Field& field) {
  std::map<std::string, std::string> strings;
  for (const auto& [key, value] : field.members()) strings[key] = value.string();
  return strings;
}

Producer parse_producer(const Field& field) {
  parse_strings(field);
  return {.torchship = field["torchship"].string(),
          .torch = field["torch"].string(),
          .python = field["python"].string()};
}

Finding parse_finding(const Field& field) {
  return {.code = field["code"].string(),
          .severity = field["severity"].one_of({"error", "warning", "note"}),
          .message = field["message"].string(),
          .hint = field["hint"].string(),
          .method = field["method"].string(),
          .place = {},
          .file = field["file"].string(),
          .line = field["line"].integer(0),
          .source = field["source"].string()};
}

ManifestSample parse_sample(const Field& field) {
  ManifestSample sample;
  sample.info = {.method = field["method"].string(),
                 .origin = field["origin"].one_of({"synthetic", "example"})};
  for (const Field& input : field["inputs"].items()) sample.inputs.push_back(parse_value(input));
  sample.output = parse_value(field["output"]);
  return sample;
}

ManifestIntermediates parse_intermediates(const Field& field, std::size_t samples) {
  ManifestIntermediates intermediates;
  intermediates.sample = static_cast<std::size_t>(field["sample"].integer(0));
  if (intermediates.sample >= samples) {
    field["sample"].refuse("there is no sample " + std::to_string(intermediates.sample));
  }
  for (const Field& value : field["values"].items()) {
    intermediates.values.push_back(
        {.node = static_cast<std::size_t>(value["node"].integer(0)),
         .output = static_cast<std::size_t>(value["output"].integer(0)),
         .operator_name = value["operator"].string(),
         .ref = value["ref"].string()});
  }
  return intermediates;
}

std::map<std::string, std::string> parse_records(const Field& field) {
  std::map<std::string, std::string> records;
  for (const auto& [name, value] : field.members()) {
    const std::string& digest = value.string();
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (digest.size() != 64 || !std::all_of(digest.begin(), digest.end(), is_hex)) {
      value.expected("a SHA-256 of 64 lower-case hex digits");
    }
    if (name == kManifestRecord) value.refuse("the manifest cannot hold its own digest");
    records[name] = digest;
  }
  return records;
}

/// A compiled engine takes and gives values that are known to the last leaf.
void require_known(const ValueSpec& spec, const Field& field) {
  if (spec.kind == Kind::any) field.refuse("says nothing of a value");
  const bool is_plain = spec.kind != Kind::tensor && !spec.members;
  if (is_plain && !spec.constant) field.refuse("leaves open a value that the engine has fixed");
  for (const ValueSpec& member : spec.members.value_or(std::vector<ValueSpec>())) {
    require_known(member, field);
  }
}

/// What choosing among engines asks for.
void require_target(const Field& target) {
  for (const char* key : {"device", "arch", "torch"}) target[key].string();
  if (target["device"].string() == "cuda") {
    target["cuda_arch"].string();
    return;
  }
  for (const char* key : {"isa", "threads"}) target[key].string();
}

CompiledRecord parse_engine(const Field& field, const Manifest& manifest) {
  CompiledRecord engine;
  engine.record = field["record"].string();
  if (!manifest.records.contains(engine.record)) {
    field["record"].expected("one of the records");
  }
  engine.method = parse_method(field["method"]);
  for (const ValueSpec& input : engine.method.inputs) require_known(input, field["method"]);
  require_known(engine.method.output, field["method"]);
  engine.info = {.id = field["id"].string(),
                 .method = engine.method.name,
                 .target = parse_strings(field["target"]),
                 .checked = field["checked"].boolean(),
                 .ratio = std::nullopt,
                 .beside = {},
                 .settings = parse_strings(field["settings"])};
  require_target(field["target"]);
  if (const Field ratio = field["ratio"]; !ratio.is_null()) {
    engine.info.ratio = ratio.number();
    // Archives of torchship's first days were measured beside the interpreter, and do not say so.
    const std::optional<Field> beside = field.find("beside");
    engine.info.beside = beside ? beside->one_of({"interpreter", "planned"}) : "interpreter";
  }
  const std::size_t results = count_tensors(engine.method.output);
  for (const Field& index : field["copied"].items()) {
    engine.copied.push_back(static_cast<std::size_t>(index.integer(0)));
    if (engine.copied.back() >= results) index.refuse("there is no such result");
  }
  return engine;
}

}  // namespace

Manifest parse_manifest(std::string_view text, const std::string& place) {
  const Json json = parse_manifest_json(text, place);
  const Field root(json, place);
  Manifest manifest;
  manifest.format = parse_format(root["format"], place);
  manifest.producer = parse_producer(root["producer"]);
  if (const auto name = root.find("default_method")) manifest.default_method = name->string();
  std::set<std::string> names;
  for (const Field& method : root["methods"].items()) {
    manifest.methods.push_back(parse_method(method));
    if (!names.insert(manifest.methods.back().name).second) method.refuse("the name occurs twice");
  }
  for (const Field& finding : root["findings"].items()) {
    manifest.findings.push_back(parse_finding(finding));
  }
  for (const Field& sample : root["samples"].items()) {
    manifest.samples.push_back(parse_sample(sample));
  }
  if (const auto intermediates = root.find("intermediates")) {
    manifest.intermediates = parse_intermediates(*intermediates, manifest.samples.size());
  }
  manifest.metadata = parse_strings(root["metadata"]);
  manifest.records = parse_records(root["records"]);
  std::set<std::string> ids;
  for (const Field& engine : root["engines"].items()) {
    manifest.engines.push_back(parse_engine(engine, manifest));
    const std::string& id = manifest.engines.back().info.id;
    if (kEngineWords.contains(id)) engine["id"].refuse("the word has a meaning of its own");
    if (!ids.insert(id).second) engine.refuse("the id occurs twice");
  }
  return manifest;
}

}  // namespace torchship
