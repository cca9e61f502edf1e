#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>

#include "accelerator/on_stream.h"

namespace torchship {

/// A call's stay on the model's device: the stream that it computes on, and its tensors' ways there and
/// back. For the time of its life the device is the calling thread's current one. Nothing of it costs
/// anything on the CPU.
///
/// Note [Streams]
/// A call computes on the stream that is current for the calling thread on the model's device, so that
/// it is in order with what its caller does there: inputs need not be ready yet, results that stay on
/// the device are ready when that stream gets there, and the call returns before. With `own_stream`
/// it computes on a stream of the calling thread's own, and the two streams wait for each other: calls of
/// several threads that never chose a stream do not wait for one another then.
///
/// Note [Staging]
/// Copies between the device and ordinary memory make the host wait, each by itself. Inputs go
/// through pinned memory therefore, results come in pinned memory, and the host waits once a
/// call, if at all. LibTorch keeps that memory for later calls, and lends it out again only when the copies
/// from it are done (ATen/core/CachingHostAllocator.h).
class DeviceCall {
 public:
  DeviceCall(const at::Device& device, bool own_stream);
  ~DeviceCall();
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;

  /// The tensor on the device.
  at::Tensor take(const at::Tensor& input);

  /// The tensor where the caller wants it; on the CPU its numbers are there after finish().
  at::Tensor give(const at::Tensor& result, const at::Device& wanted);

  /// Waits for what must be done before the caller goes on.
  void finish();

  /// The stream as the device's own library knows it, a cudaStream_t; null on the CPU.
  void* native_stream() const;

 private:
  void choose_stream(bool own);
  at::Tensor staged(const at::Tensor& input) const;

  at::Device device_;
  c10::OptionalDeviceGuard guard_;
  std::optional<c10::Stream> callers_;  ///< None on the CPU.
  std::optional<c10::Stream> stream_;   ///< Where the call computes.
  std::optional<OnStream> elsewhere_;   ///< Where that is not the caller's.
  bool must_wait_ = false;              ///< The host may not go on before the stream is done.
};

}  // namespace torchship
