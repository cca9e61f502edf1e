#include "kernels/onednn.h"

#include <optional>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "kernels/activation.h"

// The operators that inductor's code calls: torch/_inductor/mkldnn_ir.py,
// aten/src/ATen/native/mkldnn/RegisterMkldnnOpContextClass.cpp.

namespace torchship {
namespace {

using at::Tensor;
using Scalars = c10::List<std::optional<at::Scalar>>;

using Linear = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                      Scalars, std::optional<std::string_view>);
using Convolution = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                           at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t,
                           std::string_view, Scalars, std::optional<std::string_view>);
using Pack = Tensor(const Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t,
                    at::OptionalIntArrayRef);

template <typename Signature>
const c10::TypedOperatorHandle<Signature>& handle(const char* name) {
  static const c10::TypedOperatorHandle<Signature> found =
      c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
  return found;
}

const auto& linear_handle() { return handle<Linear>("mkldnn::_linear_pointwise"); }
const auto& convolution_handle() { return handle<Convolution>("mkldnn::_convolution_pointwise"); }
const auto& pack_handle() { return handle<Pack>("mkldnn::_reorder_convolution_weight"); }

std::optional<std::string_view> algorithm_of(const Activation& activation) {
  return activation.algorithm.empty() ? std::nullopt : std::optional(activation.algorithm);
}

std::optional<Tensor> if_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

bool finds_operators() {
  try {
    linear_handle();
    convolution_handle();
    pack_handle();
    return true;
  } catch (const std::exception&) {
    return false;  // Another LibTorch: its own operators will do.
  }
}

}  // namespace

bool has_onednn() {
  static const bool found = at::Context::hasMKLDNN() && finds_operators();
  return found && at::globalContext().userEnabledMkldnn();
}

Tensor onednn_linear(const Tensor& input, const Tensor& weight, const Tensor& bias,
                     std::string_view activation) {
  const Activation fused = activation_named(fits_onednn(activation) ? activation : "none");
  Tensor result =
      linear_handle().call(input, weight, bias, fused.name, Scalars(), algorithm_of(fused));
  if (!fits_onednn(activation)) activate(result, activation);
  return result;
}

Tensor onednn_pack(const Tensor& weight, const ConvolutionOptions& options,
                   at::IntArrayRef input_sizes) {
  return pack_handle().call(weight, options.padding, options.stride, options.dilation,
                            options.groups, input_sizes);
}

Tensor onednn_convolution(const Tensor& input, const Tensor& packed, const Tensor& bias,
                          const ConvolutionOptions& options, std::string_view activation) {
  const Activation fused = activation_named(fits_onednn(activation) ? activation : "none");
  Tensor result = convolution_handle().call(input, packed, if_defined(bias), options.padding,
                                            options.stride, options.dilation, options.groups,
                                            fused.name, Scalars(), algorithm_of(fused));
  if (!fits_onednn(activation)) activate(result, activation);
  return result;
}

}  // namespace torchship
