#pragma once

#include <cstdint>

#include "compute/convolution.h"
#include "compute/isa/vector.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

std::int64_t packed_depthwise_size(const Convolution& convolution);
void pack_depthwise(const Convolution& convolution, const float* filters, float* packed);
void convolve_depthwise(const Convolution& convolution, Share share);

}  // namespace torchship::compute::TORCHSHIP_LEVEL
