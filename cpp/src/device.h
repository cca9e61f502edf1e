#pragma once

#include <c10/core/Device.h>

namespace torchship {

struct LoadOptions;

/// Throws DeviceError, saying what there is, when this process cannot compute on the device.
void require_device(const at::Device& device);

/// Throws EngineError where options that are for accelerators alone are set for the CPU, or this LibTorch
/// cannot do what they ask for.
void require_device_options(const LoadOptions& options);

}  // namespace torchship
