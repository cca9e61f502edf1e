#include <algorithm>
#include <string>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// A tensor without dimensions works beside tensors of any device.
bool makes_scalar(const jit::Node& node) {
  for (const char* name : {"size", "self"}) {
    const auto sizes = known_sizes(argument(node, name));
    if (sizes) return sizes->empty();
  }
  return name_of(node) == "aten::scalar_tensor" || name_of(node) == "aten::tensor";
}

/// The lengths of packed sequences are on the CPU wherever the model is.
bool makes_lengths(const jit::Node& node) {
  if (node.outputs().size() != 1 || node.output()->uses().empty()) return false;
  return std::all_of(node.output()->uses().begin(), node.output()->uses().end(),
                     [](const jit::Use& use) {
                       return name_of(*use.user) == "aten::_pack_padded_sequence";
                     });
}

}  // namespace

std::vector<Hit> find_baked_devices(const Subject& subject) {
  // The tracer of torchship tells a device that was asked of an input from one that was not.
  const bool examined = subject.info.manifest_version > 0;
  std::vector<Hit> hits;
  if (subject.names_all_devices()) return hits;
  for (const Scope& scope : subject.scopes()) {
    visit_live(*scope.graph->block(), [&](const jit::Node& node) {
      const auto device = known_device(argument(node, "device"));
      if (!device || makes_scalar(node) || makes_lengths(node)) return;
      const bool harmless = scope.training || (examined && device->is_cpu());
      hits.push_back(
          hit(subject, scope, node,
              make_finding("baked-device", harmless ? "note" : "warning",
                           name_of(node) + " puts a tensor on " + device->str() +
                               ", on whatever device the model is",
                           "create it with device=x.device in a scripted function, or register it "
                           "as a buffer; torchship.load moves such devices by itself")));
    });
  }
  return hits;
}

}  // namespace torchship
