#include "accelerator/device_call.h"

#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "plain_tensor.h"

namespace torchship {
namespace {

using c10::impl::VirtualGuardImpl;

/// The calling thread's own stream of a device, for as long as it lives.
c10::Stream own_stream(const at::Device& device) {
  thread_local std::vector<std::pair<at::Device, c10::Stream>> streams;
  for (const auto& [of, stream] : streams) {
    if (of == device) return stream;
  }
  const c10::Stream stream = VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  streams.emplace_back(device, stream);
  return stream;
}

/// The memory is lent to nobody else before the stream is done with it, wherever it is freed.
void use_on(const c10::Stream& stream, const at::Tensor& tensor) {
  if (!tensor.has_storage()) return;
  VirtualGuardImpl(stream.device_type()).recordDataPtrOnStream(tensor.storage().data_ptr(), stream);
}

}  // namespace

DeviceCall::DeviceCall(const at::Device& device, bool own_stream) : device_(device) {
  if (!device.is_cpu()) choose_stream(own_stream);
}

void DeviceCall::choose_stream(bool own) {
  guard_.reset_device(device_);
  const VirtualGuardImpl guard(device_.type());
  callers_ = guard.getStream(device_);
  stream_ = own ? own_stream(device_) : *callers_;
  if (*stream_ != *callers_) elsewhere_.emplace(*stream_);
}

DeviceCall::~DeviceCall() {
  try {
    finish();  // The caller's pinned memory may still be read from.
  } catch (...) {  // What is wrong with the device, the next call to it will say.
  }
}

at::Tensor DeviceCall::take(const at::Tensor& input) {
  if (input.device() == device_) {
    if (elsewhere_) use_on(*stream_, input);
    return input;
  }
  const at::NoGradGuard no_grad;
  if (device_.is_cpu() || !input.is_cpu() || !is_plain(input)) return input.to(device_);
  if (input.is_pinned()) {
    must_wait_ = true;  // The caller may write to it once the call is over.
    return input.to(device_, /*non_blocking=*/true);
  }
  return staged(input).to(device_, /*non_blocking=*/true);
}

at::Tensor DeviceCall::staged(const at::Tensor& input) const {
  at::Tensor pinned = at::empty_like(input, input.options().pinned_memory(true));
  return pinned.copy_(input);
}

at::Tensor DeviceCall::give(const at::Tensor& result, const at::Device& wanted) {
  if (result.device() == wanted) {
    if (elsewhere_ && result.device() == device_) use_on(*callers_, result);
    return result;
  }
  if (result.device() != device_ || device_.is_cpu() || !wanted.is_cpu() || !is_plain(result)) {
    return result.to(wanted);
  }
  const at::NoGradGuard no_grad;
  at::Tensor pinned =
      at::empty_like(result, result.options().device(at::kCPU).pinned_memory(true));
  must_wait_ = true;
  return pinned.copy_(result, /*non_blocking=*/true);
}

void DeviceCall::finish() {
  if (!std::exchange(must_wait_, false)) return;
  VirtualGuardImpl(device_.type()).synchronizeStream(*stream_);
}

void* DeviceCall::native_stream() const {
  return stream_ ? VirtualGuardImpl(device_.type()).getStreamNativeHandle(*stream_) : nullptr;
}

}  // namespace torchship
