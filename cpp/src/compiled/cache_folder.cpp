#include "compiled/cache_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace torchship {
namespace {

std::filesystem::path variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

CacheFolder cache_folder() {
  if (const auto own = variable("TORCHSHIP_CACHE"); !own.empty()) {
    return {std::filesystem::absolute(own), "TORCHSHIP_CACHE"};
  }
  if (const auto caches = variable("XDG_CACHE_HOME"); caches.is_absolute()) {
    return {caches / "torchship", "XDG_CACHE_HOME"};
  }
  if (const auto home = variable("HOME"); home.is_absolute()) {
    return {home / ".cache" / "torchship", "HOME"};
  }
  return {};
}

bool is_private(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace torchship
