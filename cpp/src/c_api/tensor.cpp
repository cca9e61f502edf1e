#include "c_api/dtype.h"
#include "c_api/handles.h"
#include "c_api/memory.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

at::Device device_of(const ts_tensor& tensor, const char* function) {
  const std::int32_t index = tensor.device_index;
  switch (tensor.device_type) {
    case 0:
    case TS_CPU: return at::kCPU;
    case TS_CUDA:
      if (index < 0 || index > 127) {
        throw DeviceError("device cuda:" + std::to_string(index) + " is not supported");
      }
      return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
    default:
      throw ArgumentError(std::string(function) + ": device type " +
                              std::to_string(tensor.device_type) + " is unknown",
                          "supported are TS_CPU and TS_CUDA");
  }
}

Memory memory_of(const ts_tensor& tensor, const char* function) {
  const auto dtype = scalar_type_of(tensor.dtype);
  if (!dtype) {
    throw ArgumentError(
        std::string(function) + ": dtype " + std::to_string(tensor.dtype) + " is unknown",
        "set the tensor's dtype to TS_FLOAT32 or another one of c_api.h");
  }
  return {.data = tensor.data,
          .dtype = *dtype,
          .device = device_of(tensor, function),
          .sizes = sizes_of(tensor.shape, tensor.ndim, function),
          .strides = tensor.strides};
}

}  // namespace

ts_value* ts_value_from_tensor(const ts_tensor* tensor, ts_release release, void* context) {
  return guarded_pointer<ts_value>([&] {
    constexpr auto kFunction = "ts_value_from_tensor";
    const Memory memory = memory_of(given(tensor, kFunction, "tensor"), kFunction);
    const auto lease = std::make_shared<Lease>(release, context);
    ts_value* const value = new_handle(tensor_over(memory, lease, kFunction));
    lease->take();
    return value;
  });
}

ts_value* ts_value_from_tensor_copy(const ts_tensor* tensor) {
  return guarded_pointer<ts_value>([&] {
    constexpr auto kFunction = "ts_value_from_tensor_copy";
    const Memory memory = memory_of(given(tensor, kFunction, "tensor"), kFunction);
    return new_handle(tensor_over(memory, nullptr, kFunction).clone());
  });
}

ts_status ts_value_as_tensor(const ts_value* value, ts_tensor* tensor) {
  return guarded_status([&] {
    const at::Tensor& held = value_of(value, "ts_value_as_tensor").tensor();
    ts_tensor& view = given(tensor, "ts_value_as_tensor", "tensor");
    require_plain(held);
    view = {.data = held.data_ptr(),
            .shape = held.sizes().data(),
            .strides = held.strides().data(),
            .ndim = static_cast<std::int32_t>(held.dim()),
            .dtype = dtype_of(held.scalar_type()),
            .device_type = held.is_cuda() ? TS_CUDA : TS_CPU,
            .device_index = held.is_cuda() ? held.device().index() : 0};
  });
}
