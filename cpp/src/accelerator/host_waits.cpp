#include "accelerator/host_waits.h"

#include <memory>
#include <string_view>
#include <unordered_set>

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

namespace torchship {
namespace {

thread_local std::string* found = nullptr;

/// Those whose results have sizes that data decide on, or are numbers.
bool reads_numbers(std::string_view name) {
  static const std::unordered_set<std::string_view> kNames = {
      "aten::_local_scalar_dense", "aten::nonzero",          "aten::masked_select",
      "aten::_unique",             "aten::_unique2",         "aten::unique_dim",
      "aten::unique_consecutive",  "aten::equal",            "aten::unique_dim_consecutive",
      "aten::bincount",            "aten::histogram",        "aten::repeat_interleave",
      "aten::_linalg_check_errors", "aten::linalg_eig"};
  return kNames.contains(name);
}

/// From the host to the device or back.
bool crosses(const at::RecordFunction& call) {
  const auto inputs = call.inputs();
  return inputs.size() >= 2 && inputs[0].isTensor() && inputs[1].isTensor() &&
         inputs[0].toTensor().device() != inputs[1].toTensor().device();
}

std::unique_ptr<at::ObserverContext> look(const at::RecordFunction& call) {
  if (found == nullptr || !found->empty()) return nullptr;
  const std::string_view name = call.name();
  if (reads_numbers(name) || (name == "aten::copy_" && crosses(call))) *found = name;
  return nullptr;
}

}  // namespace

HostWaits::HostWaits() {
  found = &first_;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&look).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

HostWaits::~HostWaits() {
  at::removeCallback(handle_);
  found = nullptr;
}

}  // namespace torchship
