#include <optional>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// Two numbers from one or two.
std::optional<Sizes> pair(const Planner& planner, ValueId id) {
  auto sizes = planner.integers(id);
  if (sizes && sizes->size() == 1) sizes->push_back(sizes->front());
  return sizes && sizes->size() == 2 ? sizes : std::nullopt;
}

compute::Pooling describe(const Sizes& input, const Sizes& result) {
  compute::Pooling pooling{
      .batch = input[0], .height = input[2], .width = input[3], .channels = input[1]};
  pooling.out_height = result[2];
  pooling.out_width = result[3];
  return pooling;
}

bool is_image(const Planner& planner, ValueId id) {
  return planner.is_array(id) && planner.tensor(id)->sizes.size() == 4 &&
         planner.tensor(id)->numel() > 0;
}

void emit_pooling(Planner& planner, std::size_t index, const compute::Pooling& pooling) {
  const ObservedOperation& operation = planner.operation(index);
  const Array input = planner.channels_last(planner.array(operation.inputs[0]));
  const Array result = planner.make_channels_last(planner.tensor(operation.outputs[0])->sizes);
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const double work = static_cast<double>(result.numel()) *
                      static_cast<double>(pooling.kernel_height * pooling.kernel_width);
  const bool is_large = work > 1 << 16;
  emit_simple(planner, {pooling.is_average ? "average pool" : "max pool", "", work},
              planner.kernels().pool, pooling, input, result, is_large);
}

}  // namespace

bool lower_pooling(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto& inputs = operation.inputs;
  if (!is_image(planner, inputs[0]) || !is_image(planner, operation.outputs[0])) return false;
  const bool is_average = operation.node->kind() == c10::aten::avg_pool2d;
  const auto kernel = pair(planner, inputs[1]), padding = pair(planner, inputs[3]);
  auto stride = pair(planner, inputs[2]);
  if (const auto given = planner.integers(inputs[2]); given && given->empty()) stride = kernel;
  if (!kernel || !stride || !padding) return false;
  compute::Pooling pooling =
      describe(planner.tensor(inputs[0])->sizes, planner.tensor(operation.outputs[0])->sizes);
  pooling.kernel_height = (*kernel)[0];
  pooling.kernel_width = (*kernel)[1];
  pooling.stride_height = (*stride)[0];
  pooling.stride_width = (*stride)[1];
  pooling.pad_top = (*padding)[0];
  pooling.pad_left = (*padding)[1];
  if (is_average) {
    const auto rounds_up = planner.boolean(inputs[4]), counts = planner.boolean(inputs[5]);
    // What is rounded up counts less of the padding; a divisor of its own is rare.
    if (!rounds_up || *rounds_up || !counts || !planner.is_none(inputs[6])) return false;
    pooling.is_average = true;
    pooling.counts_padding = *counts;
  } else {
    const auto dilation = pair(planner, inputs[4]);
    if (!dilation) return false;
    pooling.dilation_height = (*dilation)[0];
    pooling.dilation_width = (*dilation)[1];
  }
  emit_pooling(planner, index, pooling);
  return true;
}

bool lower_adaptive_pooling(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  if (!is_image(planner, operation.inputs[0]) || !is_image(planner, operation.outputs[0]))
    return false;
  compute::Pooling pooling = describe(planner.tensor(operation.inputs[0])->sizes,
                                      planner.tensor(operation.outputs[0])->sizes);
  // Windows of one size are an average like any other.
  if (pooling.height % pooling.out_height != 0 || pooling.width % pooling.out_width != 0)
    return false;
  pooling.is_average = true;
  pooling.kernel_height = pooling.stride_height = pooling.height / pooling.out_height;
  pooling.kernel_width = pooling.stride_width = pooling.width / pooling.out_width;
  emit_pooling(planner, index, pooling);
  return true;
}

}  // namespace torchship
