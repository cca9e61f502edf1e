#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>

namespace torchship {

/// Where engines are unpacked once.
struct CacheFolder {
  std::filesystem::path path;  ///< Empty where no variable names one.
  std::string variable;        ///< The one that does.
};

/// $TORCHSHIP_CACHE, else $XDG_CACHE_HOME/torchship, else $HOME/.cache/torchship. The latter two
/// count where they are absolute, as the XDG Base Directory Specification has it.
CacheFolder cache_folder();

/// Whether this user alone decides what is in a file or folder: code from others is not run.
bool is_private(const struct stat& status);

}  // namespace torchship
