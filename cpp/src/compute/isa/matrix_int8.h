#pragma once

#include <cstdint>

#include "compute/matrix.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

std::int64_t packed_int8_size(std::int64_t k, std::int64_t n);
void pack_int8(const Unpacked& matrix, float* packed);
std::int64_t multiply_int8_scratch(const Product& product);
void multiply_int8(const Product& product, Share share, float* scratch);

}  // namespace torchship::compute::TORCHSHIP_LEVEL
