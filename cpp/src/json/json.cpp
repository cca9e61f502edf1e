#include "json/json.h"

#include <cmath>

#include <ATen/core/Tensor.h>

namespace torchship {
namespace {

using json = nlohmann::ordered_json;

/// JSON has no infinities and no NaN: they become strings.
json number(double value) {
  return std::isfinite(value) ? json(value) : json(std::isnan(value) ? "nan"
                                                   : value > 0       ? "inf"
                                                                     : "-inf");
}

json element(const at::Tensor& scalar) {
  if (scalar.is_complex()) {
    const auto value = scalar.item().toComplexDouble();
    return json::array({number(value.real()), number(value.imag())});
  }
  if (scalar.scalar_type() == at::kBool) return scalar.item().toBool();
  if (scalar.is_floating_point()) return number(scalar.item().toDouble());
  return scalar.item().toLong();
}

json elements(const at::Tensor& tensor) {
  if (tensor.dim() == 0) {
    return element(tensor);
  }
  json rows = json::array();
  for (std::int64_t i = 0; i < tensor.size(0); ++i) {
    rows.push_back(elements(tensor[i]));
  }
  return rows;
}

json tensor(const at::Tensor& value) {
  const at::Tensor dense = (value.is_quantized() ? value.dequantize() : value).cpu().to_dense();
  return {{"kind", "tensor"},
          {"dtype", to_string(value.scalar_type())},
          {"shape", value.sizes().vec()},
          {"data", elements(dense)}};
}

json items(const std::vector<Value>& values) {
  json list = json::array();
  for (const Value& value : values) {
    list.push_back(to_json(value));
  }
  return list;
}

json output_check(const OutputCheck& output) {
  return {{"name", output.name},
          {"absolute", number(output.absolute)},
          {"relative", number(output.relative)},
          {"normwise", number(output.normwise)},
          {"tolerance",
           {{"absolute", output.tolerance.absolute},
            {"relative", output.tolerance.relative},
            {"normwise", output.tolerance.normwise}}},
          {"passed", output.passed},
          {"problem", output.problem}};
}

json sample_check(const SampleCheck& sample) {
  json outputs = json::array();
  for (const OutputCheck& output : sample.outputs) {
    outputs.push_back(output_check(output));
  }
  return {{"sample", sample.sample},
          {"method", sample.method},
          {"passed", sample.passed()},
          {"outputs", outputs},
          {"error", sample.error}};
}

}  // namespace

json to_json(const Value& value) {
  const std::string kind(to_string(value.kind()));
  switch (value.kind()) {
    case Kind::tensor: return tensor(value.tensor());
    case Kind::boolean: return {{"kind", kind}, {"value", value.boolean()}};
    case Kind::integer: return {{"kind", kind}, {"value", value.integer()}};
    case Kind::floating: return {{"kind", kind}, {"value", number(value.floating())}};
    case Kind::complex:
      return {{"kind", kind},
              {"value", {number(value.complex().real()), number(value.complex().imag())}}};
    case Kind::string: return {{"kind", kind}, {"value", value.string()}};
    case Kind::list: return {{"kind", kind}, {"items", items(value.items())}};
    case Kind::tuple:
      return {{"kind", kind}, {"items", items(value.items())}, {"names", value.names()}};
    case Kind::dict: {
      json entries = json::array();
      for (const auto& [key, item] : value.entries()) {
        entries.push_back({to_json(key), to_json(item)});
      }
      return {{"kind", kind}, {"entries", entries}};
    }
    default: return {{"kind", kind}, {"value", describe(value)}};
  }
}

json to_json(const std::vector<PassedOver>& passed_over) {
  json list = json::array();
  for (const PassedOver& passed : passed_over) {
    list.push_back({{"engine", passed.engine}, {"reason", passed.reason}});
  }
  return list;
}

json to_json(const CheckReport& report) {
  json samples = json::array();
  for (const SampleCheck& sample : report.samples) {
    samples.push_back(sample_check(sample));
  }
  json departure;
  if (const auto& found = report.departure) {
    departure = {{"operator", found->operator_name},
                 {"node", found->node},
                 {"source", found->source},
                 {"absolute", number(found->absolute)},
                 {"relative", number(found->relative)}};
  }
  return {{"passed", report.passed()}, {"samples", samples}, {"departure", departure}};
}

json to_json(const std::vector<std::pair<std::string, CheckReport>>& reports,
             const std::vector<PassedOver>& passed_over) {
  json engines = json::array();
  bool passed = true;
  for (const auto& [engine, report] : reports) {
    engines.push_back({{"engine", engine}});
    engines.back().update(to_json(report));
    passed = passed && report.passed();
  }
  return {{"passed", passed}, {"engines", engines}, {"passed_over", to_json(passed_over)}};
}

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace torchship
