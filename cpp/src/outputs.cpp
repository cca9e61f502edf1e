#include "outputs.h"

#include <ATen/core/grad_mode.h>
#include <torchship/error.h>

namespace torchship {
namespace {

void require_fitting(const NamedValues& results, const std::vector<at::Tensor>& outputs,
                     const std::string& place) {
  if (results.size() != outputs.size()) {
    throw SignatureError(place + ": gives " + std::to_string(results.size()) +
                         " values, got memory for " + std::to_string(outputs.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, value] = results[i];
    const at::Tensor& output = outputs[i];
    const bool fits = output.defined() && value.is_tensor() &&
                      value.tensor().scalar_type() == output.scalar_type() &&
                      value.tensor().sizes() == output.sizes();
    if (!fits) {
      throw SignatureError(place + ": output '" + name + "' is " + describe(value) +
                           ", got memory for " +
                           (output.defined() ? describe(Value(output)) : "nothing"));
    }
  }
}

}  // namespace

void hand_over(const Value& result, const std::vector<at::Tensor>& outputs,
               const std::string& place) {
  const NamedValues results = flatten(result);
  require_fitting(results, outputs, place);
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].copy_(results[i].second.tensor());
  }
}

}  // namespace torchship
