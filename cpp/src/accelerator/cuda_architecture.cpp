#include "accelerator/cuda_architecture.h"

#include <dlfcn.h>

namespace torchship {
namespace {

// https://docs.nvidia.com/cuda/cuda-driver-api: CUdevice_attribute.
constexpr int kMajor = 75;
constexpr int kMinor = 76;

}  // namespace

// The driver is asked, and not LibTorch, whose own answer takes the headers of CUDA's runtime. It numbers
// devices in the same way: both heed CUDA_VISIBLE_DEVICES.
int cuda_architecture(int device) {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  const auto start = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(::dlsym(driver, "cuDeviceGet"));
  const auto ask = reinterpret_cast<int (*)(int*, int, int)>(::dlsym(driver, "cuDeviceGetAttribute"));
  int handle = 0, major = 0, minor = 0;
  const bool known = start != nullptr && get != nullptr && ask != nullptr && start(0) == 0 &&
                     get(&handle, device) == 0 && ask(&major, kMajor, handle) == 0 &&
                     ask(&minor, kMinor, handle) == 0;
  ::dlclose(driver);
  return known ? 10 * major + minor : 0;
}

}  // namespace torchship
