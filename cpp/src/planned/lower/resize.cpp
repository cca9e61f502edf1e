#include <optional>
#include <string>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

using compute::Resampling;

/// The factors for lines and columns, 0 where the model gives none; nothing where they are not
/// known.
struct Factors {
  double height = 0, width = 0;
};

std::optional<double> factor(const Planner& planner, ValueId id) {
  return planner.is_none(id) ? std::optional(0.0) : planner.number(id);
}

std::optional<Factors> factors(const Planner& planner, const std::vector<ValueId>& inputs,
                               std::size_t first) {
  if (inputs.size() == first + 2) {
    const auto height = factor(planner, inputs[first]), width = factor(planner, inputs[first + 1]);
    if (!height || !width) return std::nullopt;
    return Factors{*height, *width};
  }
  if (planner.is_none(inputs[first])) return Factors();
  const auto both = planner.numbers(inputs[first]);
  if (!both || both->size() != 2) return std::nullopt;
  return Factors{(*both)[0], (*both)[1]};
}

Resampling mode_of(const torch::jit::Node& node) {
  static const auto kBilinear = c10::Symbol::fromQualString("aten::upsample_bilinear2d");
  static const auto kExact = c10::Symbol::fromQualString("aten::_upsample_nearest_exact2d");
  if (node.kind() == kBilinear) return Resampling::bilinear;
  return node.kind() == kExact ? Resampling::nearest_exact : Resampling::nearest;
}

bool is_image(const Planner& planner, ValueId id) {
  return planner.is_array(id) && planner.tensor(id)->sizes.size() == 4 &&
         planner.tensor(id)->numel() > 0;
}

}  // namespace

bool lower_resize(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  if (!is_image(planner, inputs[0]) || !is_image(planner, operation.outputs[0])) return false;
  compute::Resizing resizing{.mode = mode_of(*operation.node)};
  const bool is_bilinear = resizing.mode == Resampling::bilinear;
  const auto align_corners = is_bilinear ? planner.boolean(inputs[2]) : std::optional(false);
  const auto given = factors(planner, inputs, is_bilinear ? 3 : 2);
  if (!align_corners || !given) return false;
  const Sizes& from = planner.tensor(inputs[0])->sizes;
  const Sizes& to = planner.tensor(operation.outputs[0])->sizes;
  resizing.batch = from[0];
  resizing.channels = from[1];
  resizing.height = from[2];
  resizing.width = from[3];
  resizing.out_height = to[2];
  resizing.out_width = to[3];
  resizing.align_corners = *align_corners;
  resizing.scale_height = given->height;
  resizing.scale_width = given->width;
  const Array input = planner.channels_last(planner.array(inputs[0]));
  const Array result = planner.make_channels_last(to);
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const bool is_large = result.numel() > 1 << 15;
  const std::string sizes = std::to_string(to[2]) + " x " + std::to_string(to[3]);
  const double work = is_bilinear ? 7.0 * static_cast<double>(result.numel()) : 0;
  emit_simple(planner, {is_bilinear ? "resize bilinear" : "resize nearest", sizes, work},
              planner.kernels().resize, resizing, input, result, is_large);
  return true;
}

}  // namespace torchship
