#include <ATen/DLConvertor.h>

#include "c_api/handles.h"
#include "c_api/memory.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

at::ScalarType scalar_type_of(const DLDataType& dtype, const char* function) {
  try {
    return at::toScalarType(dtype);
  } catch (const c10::Error&) {
    throw ArgumentError(std::string(function) + ": LibTorch has no dtype of code " +
                        std::to_string(dtype.code) + ", " + std::to_string(dtype.bits) +
                        " bits and " + std::to_string(dtype.lanes) + " lanes");
  }
}

at::Device device_of(const DLDevice& device) {
  if (device.device_type == kDLCPU) return at::kCPU;
  // Memory of the host that CUDA has pinned is memory of the host.
  if (device.device_type == kDLCUDAHost) return at::kCPU;
  if (device.device_type == kDLCUDA && device.device_id >= 0 && device.device_id <= 127) {
    return {at::kCUDA, static_cast<at::DeviceIndex>(device.device_id)};
  }
  throw DeviceError("DLPack device type " + std::to_string(device.device_type) + ", number " +
                        std::to_string(device.device_id) + " is not supported",
                    "supported are the CPU and CUDA");
}

/// LibTorch's own import forgets `byte_offset`, and asks for less.
Memory memory_of(const DLTensor& tensor, const char* function) {
  const at::IntArrayRef sizes = sizes_of(tensor.shape, tensor.ndim, function);
  char* const data = static_cast<char*>(tensor.data);
  return {.data = data == nullptr ? nullptr : data + tensor.byte_offset,
          .dtype = scalar_type_of(tensor.dtype, function),
          .device = device_of(tensor.device),
          .sizes = sizes,
          .strides = tensor.strides};
}

template <typename Managed>
void release(void* managed) {
  auto* const tensor = static_cast<Managed*>(managed);
  if (tensor->deleter != nullptr) tensor->deleter(tensor);
}

template <typename Managed>
ts_value* import(Managed* tensor, const char* function) {
  const Memory memory = memory_of(given(tensor, function, "tensor").dl_tensor, function);
  const auto lease = std::make_shared<Lease>(&release<Managed>, tensor);
  ts_value* const value = new_handle(tensor_over(memory, lease, function));
  lease->take();
  return value;
}

const at::Tensor& exported(const ts_value* value, const char* function) {
  const at::Tensor& tensor = value_of(value, function).tensor();
  require_plain(tensor);
  return tensor;
}

}  // namespace

ts_value* ts_value_from_dlpack(DLManagedTensor* tensor) {
  return guarded_pointer<ts_value>([&] { return import(tensor, "ts_value_from_dlpack"); });
}

ts_value* ts_value_from_dlpack_versioned(DLManagedTensorVersioned* tensor) {
  return guarded_pointer<ts_value>([&] {
    constexpr auto kFunction = "ts_value_from_dlpack_versioned";
    const std::uint32_t major = given(tensor, kFunction, "tensor").version.major;
    if (major != DLPACK_MAJOR_VERSION) {
      throw ArgumentError(std::string(kFunction) + ": the tensor is of DLPack " +
                              std::to_string(major) + ", this library knows " +
                              std::to_string(DLPACK_MAJOR_VERSION),
                          "call its deleter, and make one of that version");
    }
    return import(tensor, kFunction);
  });
}

DLManagedTensor* ts_value_to_dlpack(const ts_value* value) {
  return guarded_pointer<DLManagedTensor>(
      [&] { return at::toDLPack(exported(value, "ts_value_to_dlpack")); });
}

DLManagedTensorVersioned* ts_value_to_dlpack_versioned(const ts_value* value) {
  return guarded_pointer<DLManagedTensorVersioned>(
      [&] { return at::toDLPackVersioned(exported(value, "ts_value_to_dlpack_versioned")); });
}
