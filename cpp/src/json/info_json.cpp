#include "json/json.h"

namespace torchship {
namespace {

using json = nlohmann::ordered_json;

template <typename T, typename Make>
json array(const std::vector<T>& items, Make&& make) {
  json list = json::array();
  for (const T& item : items) {
    list.push_back(make(item));
  }
  return list;
}

json strings(const std::map<std::string, std::string>& items) {
  json object = json::object();
  for (const auto& [key, value] : items) {
    object[key] = value;
  }
  return object;
}

json count(const TensorCount& tensors) {
  return {{"tensors", tensors.tensors}, {"elements", tensors.elements}, {"bytes", tensors.bytes}};
}

/// An integer, the name of a symbol, or null for any size.
json size(const Dimension& dimension, const MethodInfo& method) {
  if (dimension.symbol >= 0) {
    return method.dimensions[static_cast<std::size_t>(dimension.symbol)].name;
  }
  return dimension.size < 0 ? json() : json(dimension.size);
}

json spec(const ValueSpec& value, const MethodInfo& method) {
  const auto nested = [&](const ValueSpec& item) { return spec(item, method); };
  json object = {{"name", value.name},
                 {"kind", to_string(value.kind)},
                 {"type", value.type},
                 {"optional", value.optional},
                 {"has_default", value.has_default}};
  if (value.dtype) object["dtype"] = to_string(*value.dtype);
  if (value.shape) {
    object["shape"] =
        array(*value.shape, [&](const Dimension& each) { return size(each, method); });
  }
  if (value.traced_dtype && value.traced_shape) {
    object["traced_dtype"] = to_string(*value.traced_dtype);
    object["traced_shape"] = *value.traced_shape;
  }
  if (value.constant) object["constant"] = to_json(*value.constant);
  if (value.tolerance) {
    object["tolerance"] = {{"absolute", value.tolerance->absolute},
                           {"relative", value.tolerance->relative}};
  }
  if (!value.items.empty()) object["items"] = array(value.items, nested);
  if (value.members) object["members"] = array(*value.members, nested);
  return object;
}

json dimension(const DimensionRange& range) {
  return {{"name", range.name},
          {"min", range.min},
          {"max", range.max ? json(*range.max) : json()},
          {"multiple_of", range.multiple_of},
          {"tried", range.tried}};
}

json method(const MethodInfo& info) {
  return {{"name", info.name},
          {"inputs", array(info.inputs, [&](const ValueSpec& each) { return spec(each, info); })},
          {"output", spec(info.output, info)},
          {"dimensions", array(info.dimensions, dimension)}};
}

json module(const ModuleSize& info) {
  return {{"path", info.path},
          {"class", info.class_name},
          {"parameters", count(info.parameters)},
          {"buffers", count(info.buffers)}};
}

json sample(const SampleInfo& info) { return {{"method", info.method}, {"origin", info.origin}}; }

json engine(const EngineInfo& info) {
  return {{"id", info.id},
          {"method", info.method},
          {"target", strings(info.target)},
          {"checked", info.checked},
          {"ratio", info.ratio ? json(*info.ratio) : json()},
          {"beside", info.beside},
          {"settings", strings(info.settings)}};
}

}  // namespace

json to_json(const std::vector<Finding>& findings) {
  return array(findings, [](const Finding& found) -> json {
    return {{"code", found.code},     {"severity", found.severity}, {"message", found.message},
            {"hint", found.hint},     {"method", found.method},     {"place", found.place},
            {"file", found.file},     {"line", found.line},         {"source", found.source}};
  });
}

json to_json(const ModelInfo& info) {
  return {{"path", info.path.string()},
          {"format", info.format},
          {"format_version", info.format_version},
          {"class", info.class_name},
          {"file_size", info.file_size},
          {"default_method", info.default_method},
          {"methods", array(info.methods, method)},
          {"parameters", count(info.parameters)},
          {"buffers", count(info.buffers)},
          {"modules", array(info.modules, module)},
          {"manifest_version", info.manifest_version},
          {"producer",
           {{"torchship", info.producer.torchship},
            {"torch", info.producer.torch},
            {"python", info.producer.python}}},
          {"findings", to_json(info.findings)},
          {"samples", array(info.samples, sample)},
          {"has_intermediates", info.has_intermediates},
          {"engines", array(info.engines, engine)},
          {"metadata", strings(info.metadata)}};
}

}  // namespace torchship
