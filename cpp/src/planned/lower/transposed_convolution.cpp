// Note [Transposed convolutions]
// With a stride of s, the results at y = s t + r - padding, for each r < s, depend on every s-th
// line of the filters alone:
//   result[y] = sum over j of  input[t - j] * filter[r + s j],
// which is a plain convolution, with the lines in reverse. So a transposed convolution is s * s
// plain ones, whose results are put between one another.

#include <ATen/ops/flip.h>

#include <optional>

#include "planned/lower/convolution.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

/// One dimension of the results of one r.
struct Phase {
  std::int64_t first_tap = 0;  ///< r
  std::int64_t taps = 0;
  std::int64_t pad = 0;    ///< Before the input.
  std::int64_t begin = 0;  ///< The first result.
  std::int64_t count = 0;  ///< Of results.
};

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Phase phase(std::int64_t r, std::int64_t stride, std::int64_t kernel, std::int64_t padding,
            std::int64_t results) {
  const std::int64_t first = r < padding ? divide_up(padding - r, stride) : 0;
  Phase made{.first_tap = r, .taps = divide_up(kernel - r, stride)};
  made.pad = made.taps - 1 - first;
  made.begin = stride * first + r - padding;
  made.count = made.begin < results ? divide_up(results - made.begin, stride) : 0;
  return made;
}

struct Transposed {
  at::Tensor weight;  ///< [channels, filters, height, width]
  std::optional<at::Tensor> bias;
  Sizes input, result;  ///< Of four dimensions.
  Sizes stride, padding;
  bool is_line = false;
};

at::Tensor filters_of(const Transposed& of, const Phase& y, const Phase& x) {
  const at::Tensor taps = of.weight.slice(2, y.first_tap, std::nullopt, of.stride[0])
                              .slice(3, x.first_tap, std::nullopt, of.stride[1]);
  return at::flip(taps, {2, 3}).transpose(0, 1).contiguous();
}

/// Every stride-th pixel, from the first one of the phases on.
Array part_of(const Array& result, const Transposed& of, const Phase& y, const Phase& x) {
  Array part = result;
  part.offset += y.begin * result.strides[2] + x.begin * result.strides[3];
  part.sizes[2] = y.count;
  part.sizes[3] = x.count;
  part.strides[2] *= of.stride[0];
  part.strides[3] *= of.stride[1];
  return part;
}

void emit_part(Planner& planner, const Transposed& of, const Phase& y, const Phase& x,
               const Array& input, const Array& result, const Following& following) {
  compute::Convolution convolution{
      .batch = of.input[0], .height = of.input[2], .width = of.input[3], .channels = of.input[1]};
  convolution.out_height = y.count;
  convolution.out_width = x.count;
  convolution.filters = of.result[1];
  convolution.kernel_height = y.taps;
  convolution.kernel_width = x.taps;
  convolution.pad_top = y.pad;
  convolution.pad_left = x.pad;
  const std::string use = "every " + std::to_string(of.stride[0]) + "th from " +
                          std::to_string(y.first_tap) + ", " + std::to_string(of.stride[1]) +
                          "th from " + std::to_string(x.first_tap);
  const Filters filters{of.weight, use, [=] { return filters_of(of, y, x); }, of.bias};
  const Array part = part_of(result, of, y, x);
  const bool is_whole = part.sizes == result.sizes && part.strides == result.strides;
  const Array own = is_whole ? result : planner.make_channels_last(part.sizes);
  emit_convolution(planner, convolution, filters, input, own, following);
  if (!is_whole) planner.copy(own, part);
}

/// The phases of one dimension; nothing where some results depend on no input, or on none at the
/// borders.
std::optional<std::vector<Phase>> phases(const Transposed& of, std::size_t dimension) {
  const std::int64_t stride = of.stride[dimension];
  const std::int64_t kernel = of.weight.size(static_cast<std::int64_t>(dimension) + 2);
  std::vector<Phase> made;
  for (std::int64_t r = 0; r < stride; ++r) {
    made.push_back(phase(r, stride, kernel, of.padding[dimension], of.result[dimension + 2]));
    if (made.back().taps <= 0 || made.back().pad < 0) return std::nullopt;
  }
  return made;
}

std::optional<Transposed> describe(const Planner& planner, const ObservedOperation& operation) {
  const auto& inputs = operation.inputs;
  const bool is_general = operation.node->kind() == c10::aten::_convolution ||
                          operation.node->kind() == c10::aten::convolution;
  const auto weight = planner.weight(inputs[1]), bias = planner.weight(inputs[2]);
  const auto stride = planner.integers(inputs[3]), padding = planner.integers(inputs[4]);
  const auto dilation = planner.integers(inputs[is_general ? 5 : 7]);
  if (!weight || (!bias && !planner.is_none(inputs[2])) || !stride || !padding || !dilation ||
      planner.integer(inputs[is_general ? 8 : 6]) != 1) {
    return std::nullopt;
  }
  const auto count = static_cast<std::size_t>(weight->dim()) - 2;
  const auto spread = [&](const Sizes& sizes) {
    return sizes.size() == count ? sizes : Sizes(count, sizes.at(0));
  };
  for (const std::int64_t size : *dilation) {
    if (size != 1) return std::nullopt;
  }
  Transposed made{.weight = *weight,
                  .bias = bias,
                  .input = planner.tensor(inputs[0])->sizes,
                  .result = planner.tensor(operation.outputs[0])->sizes,
                  .stride = with_height(spread(*stride), 1),
                  .padding = with_height(spread(*padding), 0),
                  .is_line = count == 1};
  if (made.input.size() != count + 2 || (count != 1 && count != 2)) return std::nullopt;
  if (made.is_line) {
    made.weight = made.weight.unsqueeze(2);
    made.input.insert(made.input.begin() + 2, 1);
    made.result.insert(made.result.begin() + 2, 1);
  }
  return made;
}

Array as_image(Array array, bool is_line) {
  if (!is_line) return array;
  array.sizes.insert(array.sizes.begin() + 2, 1);
  array.strides.insert(array.strides.begin() + 2, array.strides[0]);
  return array;
}

}  // namespace

bool lower_transposed_convolution(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  if (!planner.is_array(operation.inputs[0]) || !planner.is_array(operation.outputs[0]))
    return false;
  if (planner.tensor(operation.outputs[0])->numel() == 0) return false;
  const auto of = describe(planner, operation);
  if (!of) return false;
  const auto lines = phases(*of, 0), columns = phases(*of, 1);
  if (!lines || !columns) return false;

  const Array input = planner.channels_last(planner.array(operation.inputs[0]));
  planner.absorb(index);
  Following following{.result = operation.outputs[0], .residual = {}};
  if (const auto use = planner.only_use(following.result)) {
    if (const auto activation = activation_of(planner, *use)) {
      following = *activation;
      following.result = planner.operation(*use).outputs[0];
      planner.absorb(*use);
    }
  }
  const Array result = planner.make_channels_last(planner.tensor(following.result)->sizes);
  for (const Phase& y : *lines) {
    for (const Phase& x : *columns) {
      if (y.count == 0 || x.count == 0) continue;
      emit_part(planner, *of, y, x, as_image(input, of->is_line), as_image(result, of->is_line),
                following);
    }
  }
  planner.bind(following.result, result);
  return true;
}

}  // namespace torchship
