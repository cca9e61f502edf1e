#include <dlfcn.h>

#include <mutex>
#include <set>
#include <string>

#include <torch/csrc/jit/runtime/operator.h>
#include <torchship/error.h>
#include <torchship/lint.h>

#include "audit/operator_names.h"

namespace torchship {
namespace {

using Names = std::set<std::string, std::less<>>;

/// What the host's own libraries brought: the host trusts these.
struct Brought {
  std::mutex mutex;
  Names namespaces;
};

Brought& brought() {
  static Brought instance;
  return instance;
}

Names registered_namespaces() {
  Names names;
  for (const auto& op : torch::jit::getAllOperators()) {
    const std::string& name = op->schema().name();
    names.insert(name.substr(0, name.find("::")));
  }
  return names;
}

}  // namespace

Names library_namespaces() {
  const std::lock_guard lock(brought().mutex);
  return brought().namespaces;
}

void load_operator_library(const std::filesystem::path& library) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(library, error);
  if (error || !std::filesystem::is_regular_file(path, error)) {
    throw ArchiveError(library.string() + ": there is no such operator library",
                       "name the shared object file, such as libtorchvision.so");
  }
  const std::lock_guard lock(brought().mutex);
  const Names before = registered_namespaces();
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
  for (const std::string& name : registered_namespaces()) {
    if (!before.contains(name)) brought().namespaces.insert(name);
  }
}

}  // namespace torchship
