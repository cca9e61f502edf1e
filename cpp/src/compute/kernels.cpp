#include "compute/kernels.h"

#include "cpu.h"

namespace torchship::compute {

const Kernels& kernels() {
#if defined(TORCHSHIP_X86_KERNELS)
  const std::string_view level = cpu_level();
  if (level == "x86-64-v4") return avx512::kKernels;
  if (level == "x86-64-v3") return avx2::kKernels;
#endif
  return plain::kKernels;
}

}  // namespace torchship::compute
