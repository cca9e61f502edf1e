#include "manifest/samples.h"

#include <optional>
#include <string_view>
#include <unordered_map>

#include <torchship/error.h>

#include "archive/text.h"
#include "key_text.h"

namespace torchship {
namespace {

/// Tensors by their names.
class TensorTable {
 public:
  TensorTable(const NamedTensors& tensors, std::string place) : place_(std::move(place)) {
    for (const auto& [name, tensor] : tensors) by_name_.emplace(name, &tensor);
  }

  const at::Tensor& at(const std::string& name) const {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return *found->second;
    throw ArchiveError(place_ + ": there is no tensor " + quote(name));
  }

 private:
  std::unordered_map<std::string_view, const at::Tensor*> by_name_;
  std::string place_;
};

Value bind_value(const SampleValue& value, const TensorTable& tensors) {
  if (value.kind == Kind::tensor) return tensors.at(value.ref);
  std::vector<Value> items;
  for (const SampleValue& item : value.items) items.push_back(bind_value(item, tensors));
  switch (value.kind) {
    case Kind::list: return Value::list(std::move(items));
    case Kind::tuple: return Value::tuple(std::move(items));
    case Kind::dict: {
      Value::Entries entries;
      for (std::size_t i = 0; i < items.size(); ++i) {
        entries.emplace_back(value.keys[i], std::move(items[i]));
      }
      return Value::dict(std::move(entries));
    }
    default: return value.plain;
  }
}

/// Compares one sample with the promises of its method; a symbol has one size throughout.
class SampleFit {
 public:
  SampleFit(const MethodInfo& method, std::string place)
      : method_(method), place_(std::move(place)), sizes_(method.dimensions.size()) {}

  void check(const ValueSpec& spec, const Value& value, const std::string& where) {
    if (value.is_none() && (spec.optional || spec.constant)) return;
    if (spec.kind == Kind::any) return;
    if (spec.kind != value.kind()) {
      refuse(where, "expected " + spec.type + ", got " + describe(value));
    }
    if (value.is_tensor()) check_tensor(spec, value.tensor(), where);
    if (spec.members) check_members(spec, value, where);
  }

 private:
  [[noreturn]] void refuse(const std::string& where, const std::string& what) const {
    throw ArchiveError(place_ + where + ": " + what,
                       "the samples and the method's description do not belong together");
  }

  void check_members(const ValueSpec& spec, const Value& value, const std::string& where) {
    if (value.size() != spec.members->size()) {
      refuse(where, "expected " + std::to_string(spec.members->size()) + " items, got " +
                        std::to_string(value.size()));
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const ValueSpec& member = (*spec.members)[i];
      const Value& item =
          value.kind() == Kind::dict ? find_entry(value, member.name, where) : value[i];
      check(member, item, where + "[" + std::to_string(i) + "]");
    }
  }

  const Value& find_entry(const Value& dict, const std::string& key, const std::string& where) {
    for (const auto& [name, value] : dict.entries()) {
      if (key_text(name) == key) return value;
    }
    refuse(where, "the key " + quote(key) + " is missing");
  }

  void check_tensor(const ValueSpec& spec, const at::Tensor& tensor, const std::string& where) {
    if (spec.dtype && *spec.dtype != tensor.scalar_type()) {
      refuse(where, "expected a tensor of " + std::string(to_string(*spec.dtype)) + ", got " +
                        describe(Value(tensor)));
    }
    if (!spec.shape) return;
    if (static_cast<std::int64_t>(spec.shape->size()) != tensor.dim()) {
      refuse(where, "expected a tensor of " + std::to_string(spec.shape->size()) +
                        " dimensions, got " + describe(Value(tensor)));
    }
    for (std::size_t i = 0; i < spec.shape->size(); ++i) {
      const std::int64_t size = tensor.size(static_cast<std::int64_t>(i));
      check_size((*spec.shape)[i], size, where + ".shape[" + std::to_string(i) + "]");
    }
  }

  void check_size(const Dimension& dimension, std::int64_t size, const std::string& where) {
    if (dimension.symbol >= 0) {
      check_symbol(static_cast<std::size_t>(dimension.symbol), size, where);
    } else if (dimension.size >= 0 && dimension.size != size) {
      refuse(where, "expected " + std::to_string(dimension.size) + ", got " + std::to_string(size));
    }
  }

  void check_symbol(std::size_t symbol, std::int64_t size, const std::string& where) {
    const DimensionRange& range = method_.dimensions[symbol];
    if (!range.contains(size)) {
      refuse(where, "the size " + std::to_string(size) + " is not in the range of " +
                        quote(range.name));
    }
    if (sizes_[symbol].value_or(size) != size) {
      refuse(where, quote(range.name) + " is " + std::to_string(*sizes_[symbol]) +
                        " elsewhere in the sample, and " + std::to_string(size) + " here");
    }
    sizes_[symbol] = size;
  }

  const MethodInfo& method_;
  std::string place_;
  std::vector<std::optional<std::int64_t>> sizes_;
};

}  // namespace

std::vector<Sample> bind_samples(const Manifest& manifest, const ModelInfo& info,
                                 const NamedTensors& tensors, const std::string& place) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < manifest.samples.size(); ++i) {
    const ManifestSample& described = manifest.samples[i];
    const std::string here = place + ": samples[" + std::to_string(i) + "]";
    const MethodInfo* method = info.find(described.info.method);
    if (method == nullptr || method->inputs.size() != described.inputs.size()) {
      throw ArchiveError(here + ": does not fit the method " + quote(described.info.method));
    }
    const TensorTable table(tensors, here);
    SampleFit fit(*method, here);
    Sample& sample = samples.emplace_back();
    sample.method = method->name;
    for (std::size_t k = 0; k < described.inputs.size(); ++k) {
      sample.inputs.push_back(bind_value(described.inputs[k], table));
      fit.check(method->inputs[k], sample.inputs[k], ".inputs[" + std::to_string(k) + "]");
    }
    sample.output = bind_value(described.output, table);
    fit.check(method->output, *sample.output, ".output");
  }
  return samples;
}

Intermediates bind_intermediates(const ManifestIntermediates& manifest,
                                 const NamedTensors& tensors, const std::string& place) {
  const TensorTable table(tensors, place + ": intermediates");
  Intermediates intermediates{.sample = manifest.sample, .values = {}};
  for (const ManifestIntermediate& value : manifest.values) {
    intermediates.values.push_back({.node = value.node,
                                    .output = value.output,
                                    .operator_name = value.operator_name,
                                    .source = {},
                                    .value = table.at(value.ref)});
  }
  return intermediates;
}

}  // namespace torchship
