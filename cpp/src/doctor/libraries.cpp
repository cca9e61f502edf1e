#include <ATen/Context.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <link.h>
#include <torchship/version.h>

#include <array>
#include <cstdlib>

#include "doctor/parts.h"
#include "doctor/read_text.h"
#include "libtorch_version.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

int add_file(dl_phdr_info* info, std::size_t, void* data) {
  // The executable has no name, and the kernel's own library no file.
  const std::string_view name = info->dlpi_name;
  if (name.starts_with('/')) static_cast<std::vector<fs::path>*>(data)->emplace_back(name);
  return 0;
}

/// "libgomp.so.1", "libgomp-a34b3233.so.1" and "libiomp5.so", but not "libompl.so".
bool is_openmp(const std::string& name) {
  for (const std::string_view prefix : {"libgomp", "libiomp", "libomp"}) {
    if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
    const char next = name[prefix.size()];
    if (next == '.' || next == '-' || (next >= '0' && next <= '9')) return true;
  }
  return false;
}

std::string dotted(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// What the CUDA driver says of itself.
class Driver {
 public:
  Driver() : handle_(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    if (handle_ == nullptr) {
      const char* const error = dlerror();
      error_ = error == nullptr ? "libcuda.so.1 cannot be loaded" : error;
    } else if (const auto get = function<int(int*)>("cuDriverGetVersion"); get != nullptr) {
      get(&version_);
    }
  }
  ~Driver() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  int version() const { return version_; }  ///< 12040 for 12.4; 0 without a driver.
  const std::string& error() const { return error_; }

  /// What it makes of being started; empty when it starts.
  std::string start() const {
    const auto init = function<int(unsigned)>("cuInit");
    const int status = init == nullptr ? 0 : init(0);
    if (status == 0) return {};
    const char* text = nullptr;
    const auto describe = function<int(int, const char**)>("cuGetErrorString");
    if (describe != nullptr) describe(status, &text);
    return text == nullptr ? "error " + std::to_string(status) : text;
  }

 private:
  template <typename Signature>
  Signature* function(const char* name) const {
    return reinterpret_cast<Signature*>(dlsym(handle_, name));
  }

  void* handle_;
  int version_ = 0;
  std::string error_;
};

/// Why a LibTorch with CUDA sees no device, though the driver is there and new enough.
std::string why_no_device(const Driver& driver) {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr) {
    return std::string("CUDA_VISIBLE_DEVICES is '") + visible + "', which hides every device";
  }
  const std::string error = driver.start();
  return error.empty() ? "the driver finds no device" : "the driver does not start: " + error;
}

}  // namespace

std::vector<fs::path> loaded_files() {
  std::vector<fs::path> files;
  dl_iterate_phdr(add_file, &files);
  return files;
}

std::vector<fs::path> openmp_runtimes(const std::vector<fs::path>& files) {
  std::vector<fs::path> runtimes;
  for (const fs::path& file : files) {
    if (is_openmp(file.filename().string())) runtimes.push_back(file.lexically_normal());
  }
  return runtimes;
}

Diagnosis::LibTorch find_libtorch() {
  Diagnosis::LibTorch libtorch;
  libtorch.version = running_libtorch();
  libtorch.built_with = TORCHSHIP_TORCH_VERSION;
  Dl_info info{};
  // Asked of the loader: the function's address here may be that of a jump to it.
  if (dladdr(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"), &info) != 0) {
    libtorch.path = fs::path(info.dli_fname).lexically_normal();
  }
  libtorch.kernels = at::get_cpu_capability();
  libtorch.mkl = at::hasMKL();
  libtorch.onednn = at::hasMKLDNN();
  libtorch.openmp = at::hasOpenMP();
  libtorch.lapack = at::hasLAPACK();
  return libtorch;
}

Diagnosis::Cuda find_cuda() {
  const Driver driver;
  Diagnosis::Cuda cuda;
  if (driver.version() > 0) cuda.driver = dotted(driver.version());
  if (!at::detail::getCUDAHooks().isBuilt()) {
    cuda.why = "this LibTorch was built without CUDA";
    return cuda;
  }
  const int runtime = static_cast<int>(at::detail::getCUDAHooks().versionCUDART());
  if (!driver.error().empty()) {
    cuda.why = "there is no CUDA driver: " + driver.error();
  } else if (driver.version() / 1000 < runtime / 1000) {
    cuda.why = "the driver is too old: it runs CUDA " + cuda.driver + ", and this LibTorch needs " +
               dotted(runtime);
  } else {
    cuda.devices = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
    if (cuda.devices == 0) cuda.why = why_no_device(driver);
  }
  return cuda;
}

}  // namespace torchship
