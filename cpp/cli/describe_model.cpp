#include "describe_model.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "printable.h"
#include "text.h"

namespace torchship::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kMostRows = 40;  ///< Of a table; --json has them all.

std::string format_count(const TensorCount& count) {
  return count.tensors == 0 ? "none"
                            : std::to_string(count.elements) + " in " +
                                  std::to_string(count.tensors) +
                                  (count.tensors == 1 ? " tensor, " : " tensors, ") +
                                  format_bytes(count.bytes);
}

template <typename T, typename Text>
std::string join(const std::vector<T>& items, Text&& text) {
  std::string joined;
  for (const T& item : items) {
    joined += (joined.empty() ? "" : ", ") + text(item);
  }
  return joined;
}

/// A table cut to a readable length, with a line that says so.
std::string cut_table(Rows rows, std::size_t headings) {
  const std::size_t whole = rows.size() - headings;
  rows.resize(std::min(rows.size(), headings + kMostRows));
  const std::size_t left_out = whole - (rows.size() - headings);
  return align(std::move(rows)) +
         (left_out == 0 ? "" : "... and " + std::to_string(left_out) + " more: --json has all\n");
}

std::string traced_with(const ValueSpec& spec) {
  if (!spec.traced_dtype || !spec.traced_shape) {
    return "";
  }
  return std::string(to_string(*spec.traced_dtype)) + "[" +
         join(*spec.traced_shape, [](std::int64_t size) { return std::to_string(size); }) + "]";
}

std::string format_size(const Dimension& size, const MethodInfo& method) {
  if (size.symbol >= 0) {
    return method.dimensions[static_cast<std::size_t>(size.symbol)].name;
  }
  return size.size < 0 ? "?" : std::to_string(size.size);
}

std::string format_constant(const Value& value) {
  return value.kind() == Kind::string ? "'" + value.string() + "'" : format_scalar(value);
}

/// What the manifest promises of a value, "float32[batch, 3]"; where it has none, what the file
/// was traced with.
std::string promised(const ValueSpec& spec, const MethodInfo& method) {
  if (spec.dtype && spec.shape) {
    return std::string(to_string(*spec.dtype)) + "[" +
           join(*spec.shape, [&](const Dimension& size) { return format_size(size, method); }) +
           "]";
  }
  return spec.constant ? "only " + format_constant(*spec.constant) : traced_with(spec);
}

/// The rows of a value's members, indented below it.
void add_members(const ValueSpec& spec, const MethodInfo& method, const std::string& indent,
                 Rows& rows) {
  if (!spec.members) {
    return;
  }
  for (std::size_t i = 0; i < spec.members->size(); ++i) {
    const ValueSpec& member = (*spec.members)[i];
    rows.push_back({"", indent + (member.name.empty() ? std::to_string(i) : member.name),
                    member.type, promised(member, method)});
    add_members(member, method, indent + "  ", rows);
  }
}

void add_method(const MethodInfo& method, bool is_default, Rows& rows) {
  std::string name = method.name + (is_default ? " *" : "");
  for (const ValueSpec& input : method.inputs) {
    rows.push_back({name, input.name, input.type + (input.has_default ? " = ..." : ""),
                    promised(input, method)});
    add_members(input, method, "  ", rows);
    name.clear();
  }
  rows.push_back({name, "->", method.output.type, promised(method.output, method)});
  add_members(method.output, method, "  ", rows);
}

std::string describe_methods(const ModelInfo& info) {
  Rows rows = {{"method", "input", "type", info.manifest_version > 0 ? "takes" : "traced with"}};
  for (const MethodInfo& method : info.methods) {
    add_method(method, method.name == info.default_method, rows);
  }
  return "\n" + align(std::move(rows)) +
         (info.default_method.empty() ? "" : "\n* where plain calls go\n");
}

std::string format_range(const DimensionRange& range) {
  const std::string min = std::to_string(range.min);
  const std::string text = !range.max               ? "at least " + min
                           : range.max == range.min ? min
                                                    : min + " to " + std::to_string(*range.max);
  return range.multiple_of > 1 ? text + ", multiples of " + std::to_string(range.multiple_of)
                               : text;
}

std::string describe_dimensions(const ModelInfo& info) {
  Rows rows = {{"method", "size", "range", "tried"}};
  for (const MethodInfo& method : info.methods) {
    std::string name = method.name;
    for (const DimensionRange& range : method.dimensions) {
      rows.push_back({name, range.name, format_range(range),
                      join(range.tried, [](std::int64_t size) { return std::to_string(size); })});
      name.clear();
    }
  }
  return rows.size() == 1 ? "" : "\n" + cut_table(std::move(rows), 1);
}

/// The modules that hold tensors themselves.
std::string describe_modules(const ModelInfo& info) {
  Rows rows = {{"module", "class", "parameters", "bytes", "buffers", "bytes"}};
  for (const ModuleSize& module : info.modules) {
    if (module.parameters.tensors + module.buffers.tensors == 0) {
      continue;
    }
    const std::string& whole = module.class_name;
    rows.push_back({module.path.empty() ? "(the model)" : module.path,
                    whole.substr(whole.rfind('.') + 1),
                    std::to_string(module.parameters.elements),
                    format_bytes(module.parameters.bytes),
                    std::to_string(module.buffers.elements), format_bytes(module.buffers.bytes)});
  }
  const bool says_nothing = rows.size() == 1 || (rows.size() == 2 && rows[1][0] == "(the model)");
  return says_nothing ? "" : "\n" + cut_table(std::move(rows), 1);
}

std::string describe_findings(const ModelInfo& info) {
  std::string text;
  for (const Finding& finding : info.findings) {
    const std::string line = finding.line > 0 ? ":" + std::to_string(finding.line) : "";
    const std::string place = finding.file.empty() ? "" : finding.file + line + ": ";
    const std::string what = finding.severity + ": " + finding.message + " [" + finding.code + "]";
    text += printable(place + what) + "\n";
    for (const std::string& more : {finding.source, finding.hint}) {
      text += more.empty() ? "" : "    " + printable(more) + "\n";
    }
  }
  return text.empty() ? "" : "\nfindings\n" + text;
}

/// Of the interpreter's time.
std::string describe_time(const EngineInfo& engine) {
  if (!engine.ratio) return "not measured";
  char text[32];
  std::snprintf(text, sizeof(text), "%.2g of ", *engine.ratio);
  return text + engine.beside;
}

std::string describe_engines(const ModelInfo& info) {
  Rows rows = {{"engine", "method", "made for", "time"}};
  for (const EngineInfo& engine : info.engines) {
    std::string target;
    for (const auto& [key, value] : engine.target) {
      if (key == "features") continue;  // Of one CPU, a hundred.
      target += (target.empty() ? "" : ", ") + key + " " + value;
    }
    rows.push_back({engine.id, engine.method, target,
                    describe_time(engine)});
  }
  return rows.size() == 1 ? "" : "\n" + cut_table(std::move(rows), 1);
}

std::string describe_metadata(const ModelInfo& info) {
  Rows rows = {{"metadata", ""}};
  for (const auto& [key, value] : info.metadata) {
    rows.push_back({key, value});
  }
  return rows.size() == 1 ? "" : "\n" + cut_table(std::move(rows), 1);
}

/// "3 synthetic, 1 example": how many golden samples there are of each origin.
std::string format_samples(const ModelInfo& info) {
  const auto examples =
      std::count_if(info.samples.begin(), info.samples.end(),
                    [](const SampleInfo& sample) { return sample.origin == "example"; });
  const auto synthetic = static_cast<std::ptrdiff_t>(info.samples.size()) - examples;
  std::string text = synthetic > 0 ? std::to_string(synthetic) + " synthetic" : "";
  if (examples > 0) {
    text += (text.empty() ? "" : ", ") + std::to_string(examples) + " of the author's own";
  }
  return (text.empty() ? "none" : text) + (info.has_intermediates ? ", one of them in full" : "");
}

std::string describe_head(const ModelInfo& info) {
  Rows rows = {{"format", info.format + ", version " + std::to_string(info.format_version)}};
  if (info.manifest_version > 0) {
    rows.push_back({"written by", "torchship " + info.producer.torchship + ", torch " +
                                      info.producer.torch + ", Python " + info.producer.python});
  }
  rows.push_back({"class", info.class_name});
  rows.push_back({"size", format_bytes(info.file_size)});
  rows.push_back({"parameters", format_count(info.parameters)});
  rows.push_back({"buffers", format_count(info.buffers)});
  if (info.manifest_version > 0) {
    rows.push_back({"samples", format_samples(info)});
  }
  return align(std::move(rows));
}

}  // namespace

std::string describe_model(const ModelInfo& info) {
  return printable(info.path.string()) + "\n" + describe_head(info) + describe_methods(info) +
         describe_dimensions(info) + describe_modules(info) + describe_engines(info) +
         describe_findings(info) + describe_metadata(info);
}

}  // namespace torchship::cli
