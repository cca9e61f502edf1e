#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/descriptor.h"

namespace torchship {

// Note [Where compiled engines are unpacked]
// The dynamic loader wants a file. First choice is the folder of cache_folder(): one file for each engine, named by
// its digest, written once under a lock and renamed into place, so that processes that load an
// archive at the same time share one copy, on disk and in memory. What is found there is compared
// with the archive byte by byte before it is used, and written anew where it differs. A folder or
// file that others may write to is not used. Where there is no such folder (a system that is
// read-only, or mounted without execution), the library goes to memory (memfd_create(2)), or else to a
// temporary folder that is removed once it is loaded.

struct NamedBytes {
  std::string name;  ///< Of a file: no folders in it.
  std::string_view bytes;
};

/// A shared library that is to become a file.
struct LibraryBytes {
  std::string key;                  ///< Names it in the cache: different bytes, different keys.
  std::string_view library;
  std::string_view extern_kernels;  ///< A file beside it, .json, unless empty.
  /// Code for a GPU, in a folder beside it, which the library reads in its first call.
  std::vector<NamedBytes> device_kernels = {};
  std::function<void()> verify;     ///< Called before bytes are first written; throws to refuse them.
};

/// Which kind of file.
enum class UnpackPlace { cache, memory, temporary };

/// A shared library in a file, until this is destroyed; one in the cache stays.
class Unpacked {
 public:
  /// Throws EngineError where there is no such place, saying why.
  static Unpacked to(UnpackPlace place, const LibraryBytes& bytes);
  ~Unpacked();
  Unpacked(Unpacked&&) noexcept;
  Unpacked& operator=(Unpacked&&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// The folder of the library's kernels for a GPU; empty where it has none.
  const std::filesystem::path& kernels() const noexcept { return kernels_; }

  /// Removes what is not needed any more once the library is loaded.
  void clean_up() noexcept;

 private:
  Unpacked(std::filesystem::path path, const LibraryBytes& bytes, std::filesystem::path removed,
           Descriptor descriptor);

  void remove() noexcept;

  std::filesystem::path path_;
  std::filesystem::path kernels_;
  std::filesystem::path removed_;  ///< A folder to remove; empty for none.
  Descriptor descriptor_;          ///< Of memory: the path is about it.
};

}  // namespace torchship
