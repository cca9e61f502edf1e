#include "manifest/overlay.h"

#include <algorithm>

#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

/// Where in the manifest a spec stands, for messages.
struct Place {
  const Place* parent = nullptr;
  std::string step;

  std::string text() const { return (parent != nullptr ? parent->text() : "") + step; }
};

[[noreturn]] void contradict(const Place& place, const std::string& what) {
  throw ArchiveError(place.text() + ": " + what,
                     "the manifest and the model's code do not belong together");
}

[[noreturn]] void contradict(const Place& place, const ValueSpec& target,
                             const ValueSpec& promise) {
  contradict(place, "is of kind " + std::string(to_string(promise.kind)) +
                        ", but the model's code says " + target.type);
}

void merge(ValueSpec& target, const ValueSpec& promise, const Place& place);

ValueSpec anything() {
  ValueSpec spec;
  spec.type = "Any";
  return spec;
}

/// What an `Any` or a union is narrowed to: the alternative of the promised kind, or a spec made up
/// for it.
ValueSpec narrowed(const ValueSpec& target, const ValueSpec& promise, const Place& place) {
  for (const ValueSpec& choice : target.items) {
    if (choice.kind != promise.kind) continue;
    ValueSpec spec = choice;
    spec.name = target.name;
    spec.type = target.type;
    spec.has_default = target.has_default;
    spec.optional |= target.optional;
    return spec;
  }
  if (!target.items.empty()) contradict(place, target, promise);
  ValueSpec spec = target;
  spec.kind = promise.kind;
  const std::size_t items = promise.kind == Kind::tuple  ? promise.members->size()
                            : promise.kind == Kind::dict ? 2
                            : promise.kind == Kind::list ? 1
                                                         : 0;
  spec.items.assign(items, anything());
  return spec;
}

/// A dict of strings has no integer keys, and so on.
void check_keys(const ValueSpec& target, const ValueSpec& promise, const Place& place) {
  const Kind wanted = target.items[0].kind;
  if (promise.items.empty() || wanted == Kind::any || wanted == promise.items[0].kind) return;
  contradict(place, "has keys of kind " + std::string(to_string(promise.items[0].kind)) +
                        ", but the model's code says " + target.type);
}

void merge_members(ValueSpec& target, const ValueSpec& promise, const Place& place) {
  const std::size_t count = promise.members->size();
  if (target.kind == Kind::tuple && target.items.size() != count) {
    contradict(place, "has " + std::to_string(count) + " items, but the model's code says " +
                          target.type);
  }
  if (target.kind == Kind::dict) check_keys(target, promise, place);
  std::vector<ValueSpec> members;
  for (std::size_t i = 0; i < count; ++i) {
    const ValueSpec& member = (*promise.members)[i];
    const bool is_dict = target.kind == Kind::dict;
    ValueSpec spec = target.items[target.kind == Kind::list ? 0 : is_dict ? 1 : i];
    const std::string step = is_dict ? ".entries" : ".items";
    merge(spec, member, Place{&place, step + "[" + std::to_string(i) + "]"});
    if (!member.name.empty()) spec.name = member.name;
    members.push_back(std::move(spec));
  }
  target.members = std::move(members);
}

/// Adds a promise to a spec that was read from the model's code.
void merge(ValueSpec& target, const ValueSpec& promise, const Place& place) {
  if (promise.kind == Kind::any) {
    if (promise.traced_dtype) {
      target.traced_dtype = promise.traced_dtype;
      target.traced_shape = promise.traced_shape;
    }
    return;
  }
  if (promise.kind == Kind::none) {
    const bool can_be_none = target.optional || target.kind == Kind::none ||
                             (target.kind == Kind::any && target.items.empty());
    if (!can_be_none) contradict(place, target, promise);
    target.constant.emplace();
    return;
  }
  if (target.kind == Kind::any) target = narrowed(target, promise, place);
  if (target.kind != promise.kind) contradict(place, target, promise);
  if (promise.members) merge_members(target, promise, place);
  target.dtype = promise.dtype;
  target.shape = promise.shape;
  target.constant = promise.constant;
  target.tolerance = promise.tolerance;
  if (promise.dtype) target.traced_dtype = promise.dtype;
}

void merge_method(MethodInfo& target, const MethodInfo& promise, const Place& place) {
  if (target.inputs.size() != promise.inputs.size()) {
    contradict(Place{&place, ".inputs"}, "lists " + std::to_string(promise.inputs.size()) +
                                             " inputs, but the model's code says " +
                                             to_string(target));
  }
  for (std::size_t i = 0; i < promise.inputs.size(); ++i) {
    ValueSpec& input = target.inputs[i];
    const Place where{&place, ".inputs[" + std::to_string(i) + "]"};
    merge(input, promise.inputs[i], where);
    input.name = promise.inputs[i].name;
    if (promise.inputs[i].optional && !input.optional && !input.has_default &&
        input.kind != Kind::none && input.kind != Kind::any) {
      contradict(where, "is optional, but the model's code says " + input.type);
    }
  }
  merge(target.output, promise.output, Place{&place, ".output"});
  target.output.name = promise.output.name;
  target.dimensions = promise.dimensions;
}

/// Whether a method is a part of another one, and not for callers.
bool is_inner(const MethodInfo& method, const Manifest& manifest) {
  return method.name.starts_with('_') &&
         std::none_of(manifest.methods.begin(), manifest.methods.end(),
                      [&](const MethodInfo& each) { return each.name == method.name; });
}

void check_samples(const Manifest& manifest, const ModelInfo& info, const Place& root) {
  for (std::size_t i = 0; i < manifest.samples.size(); ++i) {
    const ManifestSample& sample = manifest.samples[i];
    const Place place{&root, "samples[" + std::to_string(i) + "]"};
    const MethodInfo* method = info.find(sample.info.method);
    if (method == nullptr) contradict(place, "there is no method " + quote(sample.info.method));
    if (sample.inputs.size() != method->inputs.size()) {
      contradict(place, "has " + std::to_string(sample.inputs.size()) +
                            " inputs, but the method is " + to_string(*method));
    }
  }
}

void check_engines(const Manifest& manifest, const ModelInfo& info, const Place& root) {
  for (std::size_t i = 0; i < manifest.engines.size(); ++i) {
    const MethodInfo& taken = manifest.engines[i].method;
    const Place place{&root, "engines[" + std::to_string(i) + "].method"};
    const MethodInfo* method = info.find(taken.name);
    if (method == nullptr) contradict(place, "there is no method " + quote(taken.name));
    if (taken.inputs.size() != method->inputs.size()) {
      contradict(place, "takes " + std::to_string(taken.inputs.size()) +
                            " inputs, but the method is " + to_string(*method));
    }
  }
}

}  // namespace

void overlay(const Manifest& manifest, const std::string& place, ModelInfo& info) {
  const Place root{nullptr, place + ": "};
  for (std::size_t i = 0; i < manifest.methods.size(); ++i) {
    const MethodInfo& promise = manifest.methods[i];
    const Place where{&root, "methods[" + std::to_string(i) + "]"};
    const auto method =
        std::find_if(info.methods.begin(), info.methods.end(),
                     [&](const MethodInfo& each) { return each.name == promise.name; });
    if (method == info.methods.end()) {
      contradict(where, "the model's code has no method " + quote(promise.name));
    }
    merge_method(*method, promise, where);
  }
  std::erase_if(info.methods, [&](const MethodInfo& each) { return is_inner(each, manifest); });
  check_samples(manifest, info, root);
  if (manifest.default_method) {
    if (info.find(*manifest.default_method) == nullptr) {
      contradict(Place{&root, "default_method"},
                 "the model's code has no method " + quote(*manifest.default_method));
    }
    info.default_method = *manifest.default_method;
  }
  info.manifest_version = manifest.format;
  info.producer = manifest.producer;
  info.findings = manifest.findings;
  for (const ManifestSample& sample : manifest.samples) info.samples.push_back(sample.info);
  info.has_intermediates = manifest.intermediates.has_value();
  check_engines(manifest, info, root);
  for (const CompiledRecord& engine : manifest.engines) info.engines.push_back(engine.info);
  info.metadata = manifest.metadata;
}

}  // namespace torchship
