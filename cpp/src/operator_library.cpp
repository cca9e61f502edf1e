#include <dlfcn.h>

#include <torchship/error.h>
#include <torchship/lint.h>

namespace torchship {

void load_operator_library(const std::filesystem::path& library) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(library, error);
  if (error || !std::filesystem::is_regular_file(path, error)) {
    throw ArchiveError(library.string() + ": there is no such operator library",
                       "name the shared object file, such as libtorchvision.so");
  }
  // An absolute path is taken as it is: nothing is looked for in other folders. RTLD_NOW: what is
  // missing is an error here and not a crash in the middle of a call. Not RTLD_GLOBAL: registration
  // needs no names of the library, and its names shall not stand in for those of others.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const char* const reason = dlerror();
    throw ArchiveError(library.string() + ": the operator library cannot be loaded: " +
                           (reason != nullptr ? reason : "no reason was given"),
                       "it must be built for this version of LibTorch, and find the libraries that "
                       "it needs");
  }
}

}  // namespace torchship
