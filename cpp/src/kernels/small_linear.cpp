#include "kernels/small_linear.h"

#include <ATen/ops/empty.h>

namespace torchship {
namespace {

/// Multiplications: about a microsecond of them.
constexpr std::int64_t kMost = 1 << 13;

bool is_plain(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
         tensor.device().is_cpu() && tensor.is_contiguous() && !tensor.is_neg();
}

/// The inner loops run over outputs, side by side in memory: the compiler makes vectors of them.
void multiply(const float* __restrict input, const float* __restrict weight,
              const float* __restrict bias, float* __restrict result, std::int64_t rows,
              std::int64_t inputs, std::int64_t outputs) {
  for (std::int64_t row = 0; row < rows; ++row, input += inputs, result += outputs) {
    for (std::int64_t j = 0; j < outputs; ++j) result[j] = 0;
    for (std::int64_t i = 0; i < inputs; ++i) {
      const float x = input[i];
      const float* __restrict const line = weight + i * outputs;
      for (std::int64_t j = 0; j < outputs; ++j) result[j] += x * line[j];
    }
    for (std::int64_t j = 0; j < outputs; ++j) result[j] += bias[j];
  }
}

}  // namespace

bool is_small(const at::Tensor& input, const at::Tensor& transposed, const at::Tensor& bias) {
  const std::int64_t inputs = transposed.size(0);
  const std::int64_t outputs = transposed.size(1);
  // Long sums of few outputs make no vectors here.
  const bool suits = inputs <= 128 || outputs >= 8;
  return suits && is_plain(input) && input.dim() > 0 && input.numel() * outputs <= kMost &&
         input.sizes().back() == inputs && is_plain(transposed) && is_plain(bias) &&
         bias.numel() == outputs;
}

at::Tensor small_linear(const at::Tensor& input, const at::Tensor& transposed,
                        const at::Tensor& bias) {
  const std::int64_t inputs = transposed.size(0);
  const std::int64_t outputs = transposed.size(1);
  c10::SmallVector<std::int64_t, 5> sizes(input.sizes().begin(), input.sizes().end());
  sizes.back() = outputs;
  at::Tensor result = at::empty(sizes, input.options());
  const std::int64_t rows = inputs > 0 ? input.numel() / inputs : 0;
  if (rows == 0) return result.copy_(bias.expand(sizes));
  multiply(input.const_data_ptr<float>(), transposed.const_data_ptr<float>(),
           bias.const_data_ptr<float>(), result.mutable_data_ptr<float>(), rows, inputs, outputs);
  return result;
}

}  // namespace torchship
