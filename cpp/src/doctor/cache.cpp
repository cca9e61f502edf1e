#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "compiled/cache_folder.h"
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
  const CacheFolder folder = cache_folder();
  cache.from = folder.variable;
  cache.path = folder.path;
  if (cache.path.empty()) return cache;
  std::error_code error;
  cache.exists = fs::exists(fs::status(cache.path, error));
  struct stat status{};
  if (stat(cache.path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    cache.shared = !is_private(status);
  }
  const fs::path place = nearest(cache.path);
  cache.writable =
      fs::is_directory(fs::status(place, error)) && access(place.c_str(), W_OK | X_OK) == 0;
  struct statvfs system{};
  if (statvfs(place.c_str(), &system) == 0) {
    cache.executable = (system.f_flag & ST_NOEXEC) == 0;
    // A system of no blocks, as /proc is, takes no files.
    cache.writable = cache.writable && (system.f_flag & ST_RDONLY) == 0 && system.f_blocks > 0;
    cache.free = static_cast<std::uint64_t>(system.f_bavail) * system.f_frsize;
  }
  return cache;
}

}  // namespace torchship
