#pragma once

#include <c10/util/FunctionRef.h>

#include "compute/share.h"

namespace torchship {

/// Runs `work` on up to `threads` threads at once, the caller's among them, each with its share;
/// returns when all are done. The threads are those that LibTorch's own operators use, so that
/// there are no more of them than cores; where it was not built with OpenMP, or inside of a
/// parallel region, the caller does it all. `work` must not throw.
void run_team(int threads, c10::function_ref<void(compute::Share)> work);

}  // namespace torchship
