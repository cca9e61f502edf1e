#pragma once

#include "compute/kernels.h"

namespace torchship::compute {

/// The kernels under test: those of the level that main() was asked for.
const Kernels& level();

}  // namespace torchship::compute
