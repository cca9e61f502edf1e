#include "examples.h"

#include <algorithm>
#include <optional>

#include <ATen/ops/zeros.h>
#include <torchship/error.h>

namespace torchship {
namespace {

/// The first call sets up what is made once, the second finds memory and kernels as they will be.
constexpr int kCalls = 3;

/// A size that the dimension may have; 0 where nothing tells one.
std::int64_t some_size(const Dimension& dimension, const MethodInfo& method) {
  if (dimension.size >= 0) return dimension.size;
  if (dimension.symbol < 0) return 0;
  const DimensionRange& range = method.dimensions.at(static_cast<std::size_t>(dimension.symbol));
  if (!range.tried.empty()) return range.tried.front();
  const std::int64_t least = std::max<std::int64_t>(range.min, 1);
  return (least + range.multiple_of - 1) / range.multiple_of * range.multiple_of;
}

std::optional<Value> zeros_for(const ValueSpec& spec, const MethodInfo& method) {
  if (spec.kind != Kind::tensor) return std::nullopt;
  const auto dtype = spec.dtype ? spec.dtype : spec.traced_dtype;
  if (!dtype) return std::nullopt;
  std::vector<std::int64_t> sizes;
  if (spec.shape) {
    for (const Dimension& dimension : *spec.shape) sizes.push_back(some_size(dimension, method));
  } else if (spec.traced_shape) {
    sizes = *spec.traced_shape;
  } else {
    return std::nullopt;
  }
  return Value(at::zeros(sizes, *dtype));
}

std::optional<std::vector<Value>> zeros_for(const MethodInfo& method) {
  std::vector<Value> inputs;
  for (const ValueSpec& spec : method.inputs) {
    if (spec.has_default) break;
    std::optional<Value> zeros = zeros_for(spec, method);
    if (!zeros) return std::nullopt;
    inputs.push_back(std::move(*zeros));
  }
  return inputs;
}

const Sample* sample_of(const MethodInfo& method, const std::vector<Sample>& samples) {
  const auto found = std::find_if(samples.begin(), samples.end(), [&](const Sample& sample) {
    return sample.method == method.name;
  });
  return found == samples.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::vector<Value>> example_inputs(const MethodInfo& method,
                                                 const std::vector<Sample>& samples) {
  const Sample* sample = sample_of(method, samples);
  return sample != nullptr ? sample->inputs : zeros_for(method);
}

void warm_up(const ModelInfo& info, const std::vector<Sample>& samples, const Call& call) {
  for (const MethodInfo& method : info.methods) {
    const auto inputs = example_inputs(method, samples);
    if (!inputs) continue;
    try {
      for (int k = 0; k < kCalls; ++k) call(method, *inputs);
    } catch (const Error&) {
      // Zeros were only a guess.
      if (sample_of(method, samples) != nullptr) throw;
    }
  }
}

}  // namespace torchship
