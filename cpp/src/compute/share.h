#pragma once

#include <algorithm>
#include <cstdint>

namespace torchship::compute {

/// One thread's part of a kernel: every thread of a team runs the kernel with the same arguments
/// and its own index, and the kernel takes what is this thread's to do.
struct Share {
  int index = 0;
  int count = 1;
};

}  // namespace torchship::compute
