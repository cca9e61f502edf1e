#include "libtorch_version.h"

#include <torch/headeronly/version.h>
#include <torchship/error.h>
#include <torchship/version.h>

// Declared here and not through LibTorch's shim header, which is large.
extern "C" std::uint64_t aoti_torch_abi_version();

namespace torchship {
namespace {

std::string dotted(std::uint64_t version) {
  return std::to_string(version >> 56) + "." + std::to_string((version >> 48) & 0xff) + "." +
         std::to_string((version >> 40) & 0xff);
}

}  // namespace

const char* version() noexcept { return TORCHSHIP_VERSION; }

std::string running_libtorch() { return dotted(aoti_torch_abi_version()); }

void require_same_minor(std::uint64_t built, std::uint64_t running) {
  if ((built >> 48) != (running >> 48)) {
    throw ArchiveError("torchship was built with LibTorch " + dotted(built) +
                           ", but this process runs LibTorch " + dotted(running),
                       "install the torch that torchship was built with, or build torchship again");
  }
}

void require_matching_libtorch() {
  static const bool matches = [] {
    require_same_minor(TORCH_ABI_VERSION, aoti_torch_abi_version());
    return true;
  }();
  static_cast<void>(matches);
}

}  // namespace torchship
