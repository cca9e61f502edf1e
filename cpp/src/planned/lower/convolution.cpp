#include <optional>
#include <string>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"
#include "planned/team.h"

namespace torchship {
namespace {

constexpr double kFew = 1 << 19;  ///< Operations that one thread does alone.

/// The options of a convolution in one or two dimensions.
struct Options {
  Sizes stride, padding, dilation;
  std::int64_t groups = 1;
};

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
  const bool is_general = operation.node->kind() == c10::aten::_convolution ||
                          operation.node->kind() == c10::aten::convolution;
  const auto stride = planner.integers(inputs[3]), dilation = planner.integers(inputs[5]);
  const auto groups = planner.integer(inputs[is_general ? 8 : 6]);
  if (!stride || !dilation || !groups) return std::nullopt;
  if (is_general && planner.boolean(inputs[6]).value_or(true)) return std::nullopt;  // Transposed.
  const auto count = static_cast<std::size_t>(weight.dim()) - 2;
  const auto spread = [&](Sizes sizes) {
    return sizes.size() == count ? sizes : Sizes(count, sizes.at(0));
  };
  const auto padding = padding_of(planner, inputs[4], weight, spread(*dilation));
  if (!padding) return std::nullopt;
  return Options{spread(*stride), spread(*padding), spread(*dilation), *groups};
}

/// Images of three dimensions have lines one pixel high.
Sizes with_height(Sizes sizes, std::int64_t height) {
  if (sizes.size() == 1) sizes.insert(sizes.begin(), height);
  return sizes;
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

bool lower_convolution(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
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

  compute::Convolution convolution =
      describe(sizes, planner.tensor(operation.outputs[0])->sizes, *weight, *options);
  const auto& kernels = planner.kernels();
  convolution.algorithm = kernels.choose_algorithm(convolution, planner.is_exact());
  const Array input = planner.channels_last(planner.array(inputs[0]));
  planner.absorb(index);
  const Following following = follow(planner, operation.outputs[0], [&](const Array& residual) {
    return planner.channels_last(residual);
  });
  convolution.epilogue = following.epilogue();
  convolution.epilogue.residual_stride = convolution.filters;
  const at::Tensor filters = weight->contiguous();
  std::string use = std::string("filters ") + name_of(convolution.algorithm);
  for (const std::int64_t size : filters.sizes()) use += ' ' + std::to_string(size);
  use += ' ' + std::to_string(convolution.groups);
  convolution.weight =
      planner.pack({*weight}, use, kernels.packed_filters_size(convolution), [&](float* packed) {
        kernels.pack_filters(convolution, filters.const_data_ptr<float>(), packed);
      });
  if (bias) {
    auto dense = std::make_shared<const at::Tensor>(bias->contiguous());
    convolution.epilogue.bias = dense->const_data_ptr<float>();
    planner.keep(std::move(dense));
  }
  const Array result = planner.make_channels_last(planner.tensor(following.result)->sizes);
  planner.bind(following.result, result);
  planner.need_scratch(kernels.convolve_scratch(convolution));

  const double work = 2.0 * static_cast<double>(result.numel()) *
                      static_cast<double>(weight->numel() / weight->size(0));
  emit_with_epilogue(planner, {"convolve", name_of(convolution.algorithm), work}, kernels.convolve,
                     convolution, input, result, following, kFew,
                     [](compute::Convolution& bound, const float* from, float* to) {
                       bound.input = from;
                       bound.result = to;
                     });
  return true;
}

}  // namespace torchship
