#include "outputs.h"

#include <cstdint>

#include <ATen/MemoryOverlap.h>
#include <c10/core/InferenceMode.h>
#include <torchship/error.h>

namespace torchship {
namespace {

void require_same_form(const std::string& name, const Value& value, const at::Tensor& output,
                       const std::string& place) {
  const bool fits = output.defined() && value.is_tensor() &&
                    value.tensor().scalar_type() == output.scalar_type() &&
                    value.tensor().sizes() == output.sizes();
  if (fits) return;
  throw SignatureError(place + ": output '" + name + "' is " + describe(value) +
                       ", got memory for " +
                       (output.defined() ? describe(Value(output)) : "nothing"));
}

/// Memory that has a place for each element.
void require_memory(const std::string& name, const at::Tensor& output, const std::string& place) {
  const std::string start = place + ": output '" + name + "': the memory given ";
  if (output.layout() != at::kStrided || output.is_meta()) {
    throw SignatureError(start + "is not that of a dense tensor");
  }
  if (at::has_internal_overlap(output) == at::MemOverlap::Yes) {
    throw SignatureError(start + "has one place for several elements",
                         "give a tensor that is not expanded");
  }
}

bool overlap(const at::Tensor& one, const at::Tensor& other) {
  const at::MemOverlapStatus status = at::get_overlap_status(one, other);
  return status == at::MemOverlapStatus::Full || status == at::MemOverlapStatus::Partial;
}

void require_fitting(const NamedValues& results, const std::vector<at::Tensor>& outputs,
                     const std::string& place) {
  if (results.size() != outputs.size()) {
    throw SignatureError(place + ": gives " + std::to_string(results.size()) +
                         " values, got memory for " + std::to_string(outputs.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, value] = results[i];
    require_same_form(name, value, outputs[i], place);
    require_memory(name, outputs[i], place);
    for (std::size_t k = 0; k < i; ++k) {
      if (!overlap(outputs[i], outputs[k])) continue;
      throw SignatureError(place + ": the outputs '" + results[k].first + "' and '" + name +
                               "' are given the same memory");
    }
  }
}

/// Where its elements are, from the first byte to the one behind the last.
struct Extent {
  explicit Extent(const at::Tensor& tensor) : begin(reinterpret_cast<std::uintptr_t>(tensor.data_ptr())) {
    std::int64_t last = 0;
    for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
    end = tensor.numel() == 0 ? begin : begin + (static_cast<std::size_t>(last) + 1) * tensor.element_size();
  }
  bool touches(const Extent& other) const { return begin < other.end && other.begin < end; }

  std::uintptr_t begin;
  std::uintptr_t end;
};

/// A result may lie in memory that is to be written: a view of an input, which is an output as well.
at::Tensor apart_from(const std::vector<at::Tensor>& outputs, const at::Tensor& result) {
  if (result.layout() != at::kStrided) return result;
  const Extent own(result);
  for (const at::Tensor& output : outputs) {
    if (result.device() == output.device() && own.touches(Extent(output))) return result.clone();
  }
  return result;
}

}  // namespace

void hand_over(const Value& result, const std::vector<at::Tensor>& outputs,
               const std::string& place) {
  const NamedValues results = flatten(result);
  require_fitting(results, outputs, place);
  const c10::InferenceMode inference;  // In it inference tensors can be written, as all others.
  std::vector<at::Tensor> tensors;
  tensors.reserve(results.size());
  for (const auto& [name, value] : results) tensors.push_back(apart_from(outputs, value.tensor()));
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i].copy_(tensors[i]);
}

}  // namespace torchship
