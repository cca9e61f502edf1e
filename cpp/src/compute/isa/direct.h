#pragma once

#include <cstdint>

#include "compute/convolution.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

std::int64_t packed_direct_size(const Convolution& convolution);
void pack_direct(const Convolution& convolution, const float* filters, float* packed);
std::int64_t convolve_direct_scratch(const Convolution& convolution);
void convolve_direct(const Convolution& convolution, Share share, float* scratch);

}  // namespace torchship::compute::TORCHSHIP_LEVEL
