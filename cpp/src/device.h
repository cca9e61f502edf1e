#pragma once

#include <c10/core/Device.h>

namespace torchship {

/// Throws DeviceError, saying what there is, when this process cannot compute on the device.
void require_device(const at::Device& device);

}  // namespace torchship
