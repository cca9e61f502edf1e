#include <cstdint>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torchship/model.h>

#include "c_api/handles.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

/// c10 numbers streams; those that it did not make have their address for a number, and the default stream,
/// which is null, has 0: c10/cuda/CUDAStream.h.
c10::Stream stream_at(const at::Device& device, void* address) {
  return c10::Stream(c10::Stream::UNSAFE, device, reinterpret_cast<std::intptr_t>(address));
}

}  // namespace

ts_status ts_set_current_stream(const char* device, void* stream) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_set_current_stream";
    const at::Device on = parse_device(&given(device, kFunction, "device"));
    if (on.is_cpu()) throw ArgumentError(std::string(kFunction) + ": the CPU has no streams");
    c10::impl::VirtualGuardImpl(on.type()).exchangeStream(stream_at(on, stream));
  });
}
