#pragma once

namespace torchship {

/// What a CUDA device runs: 90 for compute capability 9.0; 0 where the driver does not say.
int cuda_architecture(int device);

}  // namespace torchship
