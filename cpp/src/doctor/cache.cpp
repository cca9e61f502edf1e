#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor/parts.h"
#include "doctor/read_text.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

/// The folder itself, or the nearest one above it that is there.
fs::path nearest(fs::path path) {
  std::error_code error;
  path = fs::absolute(path, error);
  while (!fs::exists(fs::status(path, error)) && path.has_relative_path()) {
    path = path.parent_path();
  }
  return path;
}

}  // namespace

Diagnosis::Cache find_cache() {
  Diagnosis::Cache cache;
  if (const std::string own = environment("TORCHSHIP_CACHE"); !own.empty()) {
    cache.from = "TORCHSHIP_CACHE";
    cache.path = own;
  } else if (const std::string shared = environment("XDG_CACHE_HOME"); !shared.empty()) {
    cache.from = "XDG_CACHE_HOME";
    cache.path = fs::path(shared) / "torchship";
  } else if (const std::string home = environment("HOME"); !home.empty()) {
    cache.from = "HOME";
    cache.path = fs::path(home) / ".cache" / "torchship";
  }
  if (cache.path.empty()) return cache;
  std::error_code error;
  cache.exists = fs::exists(fs::status(cache.path, error));
  const fs::path place = nearest(cache.path);
  cache.writable =
      fs::is_directory(fs::status(place, error)) && access(place.c_str(), W_OK | X_OK) == 0;
  struct statvfs system{};
  if (statvfs(place.c_str(), &system) == 0) {
    cache.executable = (system.f_flag & ST_NOEXEC) == 0;
    cache.writable = cache.writable && (system.f_flag & ST_RDONLY) == 0;
    cache.free = static_cast<std::uint64_t>(system.f_bavail) * system.f_frsize;
  }
  return cache;
}

}  // namespace torchship
