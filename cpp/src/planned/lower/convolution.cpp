#include "planned/lower/convolution.h"

#include <optional>
#include <string>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {
namespace {

constexpr double kFew = 1 << 19;  ///< Operations that one thread does alone.

/// The options of a convolution in one or two dimensions.
struct Options {
  Sizes stride, padding, dilation;
  std::int64_t groups = 1;
};

bool is_general(const ObservedOperation& operation) {
  return operation.node->kind() == c10::aten::_convolution ||
         operation.node->kind() == c10::aten::convolution;
}

bool is_transposed(const Planner& planner, const ObservedOperation& operation) {
  return is_general(operation) && planner.boolean(operation.inputs[6]).value_or(true);
}

/// "same" and "valid", and numbers; nothing for "same" with another padding at either end.
std::optional<Sizes> padding_of(const Planner& planner, ValueId id, const at::Tensor& weight,
                                const Sizes& dilation) {
  if (const auto numbers = planner.integers(id)) return *numbers;
  const auto text = planner.text(id);
  if (!text) return std::nullopt;
  Sizes padding(dilation.size(), 0);
  for (std::size_t i = 0; i < dilation.size() && *text == "same"; ++i) {
    const std::int64_t whole = dilation[i] * (weight.size(static_cast<std::int64_t>(i) + 2) - 1);
    if (whole % 2 != 0) return std::nullopt;
    padding[i] = whole / 2;
  }
  return padding;
}

std::optional<Options> options_of(const Planner& planner, const ObservedOperation& operation,
                                  const at::Tensor& weight) {
  const auto& inputs = operation.inputs;
  const auto stride = planner.integers(inputs[3]), dilation = planner.integers(inputs[5]);
  const auto groups = planner.integer(inputs[is_general(operation) ? 8 : 6]);
  if (!stride || !dilation || !groups) return std::nullopt;
  const auto count = static_cast<std::size_t>(weight.dim()) - 2;
  const auto spread = [&](Sizes sizes) {
    return sizes.size() == count ? sizes : Sizes(count, sizes.at(0));
  };
  const auto padding = padding_of(planner, inputs[4], weight, spread(*dilation));
  if (!padding) return std::nullopt;
  return Options{spread(*stride), spread(*padding), spread(*dilation), *groups};
}

compute::Convolution describe(const Sizes& input, const Sizes& result, const at::Tensor& weight,
                              const Options& options) {
  const Sizes stride = with_height(options.stride, 1), padding = with_height(options.padding, 0);
  const Sizes dilation = with_height(options.dilation, 1);
  const bool is_line = input.size() == 3;
  compute::Convolution made{.batch = input[0],
                            .height = is_line ? 1 : input[2],
                            .width = input.back(),
                            .channels = input[1]};
  made.out_height = is_line ? 1 : result[2];
  made.out_width = result.back();
  made.filters = result[1];
  made.kernel_height = is_line ? 1 : weight.size(2);
  made.kernel_width = weight.size(-1);
  made.stride_height = stride[0];
  made.stride_width = stride[1];
  made.pad_top = padding[0];
  made.pad_left = padding[1];
  made.dilation_height = dilation[0];
  made.dilation_width = dilation[1];
  made.groups = options.groups;
  return made;
}

const char* name_of(compute::Algorithm algorithm) {
  switch (algorithm) {
    case compute::Algorithm::direct: return "direct";
    case compute::Algorithm::depthwise: return "depthwise";
    case compute::Algorithm::winograd_2: return "Winograd 2 x 2";
    case compute::Algorithm::winograd_4: return "Winograd 4 x 4";
  }
  return "";
}

}  // namespace

Sizes with_height(Sizes sizes, std::int64_t height) {
  if (sizes.size() == 1) sizes.insert(sizes.begin(), height);
  return sizes;
}

void emit_convolution(Planner& planner, compute::Convolution convolution, const Filters& filters,
                      const Array& input, const Array& result, const Following& following) {
  const auto& kernels = planner.kernels();
  convolution.algorithm = kernels.choose_algorithm(convolution, planner.options().exact);
  convolution.epilogue = following.epilogue();
  convolution.epilogue.residual_stride = convolution.filters;
  convolution.epilogue.bias = planner.elements(filters.bias);
  const std::int64_t channels = convolution.channels / convolution.groups;
  std::string use = "filters " + filters.use + ' ' + name_of(convolution.algorithm);
  for (const std::int64_t size : {convolution.filters, channels, convolution.kernel_height,
                                  convolution.kernel_width, convolution.groups}) {
    use += ' ' + std::to_string(size);
  }
  convolution.weight = planner.pack(
      {filters.weight}, use, kernels.packed_filters_size(convolution),
      [convolution, make = filters.filters, pack = kernels.pack_filters](float* packed) {
        const at::Tensor dense = make();
        pack(convolution, dense.const_data_ptr<float>(), packed);
      });
  planner.need_scratch(kernels.convolve_scratch(convolution));
  const double work =
      2.0 * static_cast<double>(result.numel()) *
      static_cast<double>(channels * convolution.kernel_height * convolution.kernel_width);
  emit_with_epilogue(planner, {"convolve", name_of(convolution.algorithm), work}, kernels.convolve,
                     convolution, input, result, following, kFew,
                     [](compute::Convolution& bound, const float* from, float* to) {
                       bound.input = from;
                       bound.result = to;
                     });
}

bool lower_convolution(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  if (is_transposed(planner, operation)) return lower_transposed_convolution(planner, index);
  const auto& inputs = operation.inputs;
  const auto weight = planner.weight(inputs[1]);
  const auto bias = planner.weight(inputs[2]);
  if (!weight || (!bias && !planner.is_none(inputs[2]))) return false;
  if (!planner.is_array(inputs[0]) || !planner.is_array(operation.outputs[0])) return false;
  const Sizes sizes = planner.tensor(inputs[0])->sizes;
  if ((weight->dim() != 3 && weight->dim() != 4) ||
      sizes.size() != static_cast<std::size_t>(weight->dim())) {
    return false;
  }
  const auto options = options_of(planner, operation, *weight);
  if (!options || planner.tensor(operation.outputs[0])->numel() == 0) return false;

  const compute::Convolution convolution =
      describe(sizes, planner.tensor(operation.outputs[0])->sizes, *weight, *options);
  const Array input = planner.channels_last(planner.array(inputs[0]));
  planner.absorb(index);
  const Following following = follow(planner, operation.outputs[0], [&](const Array& residual) {
    return planner.channels_last(residual);
  });
  const Array result = planner.make_channels_last(planner.tensor(following.result)->sizes);
  planner.bind(following.result, result);
  const Filters filters{*weight, "", [weight = *weight] { return weight.contiguous(); }, bias};
  emit_convolution(planner, convolution, filters, input, result, following);
  return true;
}

}  // namespace torchship
