#include "compiled/unpack.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <torchship/error.h>

#include "archive/mapping.h"
#include "compiled/cache_folder.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw EngineError(path.string() + ": " + what);
}

[[noreturn]] void refuse_errno(const fs::path& path, const std::string& what) {
  refuse(path, what + ": " + std::generic_category().message(errno));
}

void write_all(int descriptor, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse_errno(path, "cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Whether the file holds these bytes and only this user may change it.
bool holds(const fs::path& path, std::string_view bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) ||
      !is_private(status) || static_cast<std::uint64_t>(status.st_size) != bytes.size()) {
    return false;
  }
  const auto mapping = Mapping::of(file.number(), bytes.size(), Mapping::Use::read);
  return mapping != nullptr &&
         std::memcmp(mapping->bytes().data(), bytes.data(), bytes.size()) == 0;
}

/// Writes a file beside `path`, and gives it that name when it is whole.
void place_file(const fs::path& path, std::string_view bytes) {
  std::string name = (path.parent_path() / ".torchship-XXXXXX").string();
  const Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.number() < 0) refuse_errno(path.parent_path(), "cannot be written to");
  try {
    write_all(file.number(), bytes, name);
    if (::fchmod(file.number(), S_IRUSR | S_IXUSR) != 0 || ::fsync(file.number()) != 0 ||
        ::rename(name.c_str(), path.c_str()) != 0) {
      refuse_errno(path, "cannot be written");
    }
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
}

/// Makes a folder that this user alone may write to, or finds it to be one.
void make_private_folder(const fs::path& folder, const std::string& what) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    refuse_errno(folder, what + " cannot be made");
  }
  struct stat status = {};
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    refuse(folder, what + " is no folder");
  }
  if (!is_private(status)) refuse(folder, what + " is not used: others may write to it");
}

fs::path kernels_of(const fs::path& library) {
  return fs::path(library).replace_extension(".kernels");
}

/// The cache folder, made where it is missing.
fs::path usable_cache() {
  const fs::path folder = cache_folder().path;
  if (folder.empty()) {
    throw EngineError("there is no cache folder: neither TORCHSHIP_CACHE nor HOME is set");
  }
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  make_private_folder(folder, "the cache folder");
  return folder;
}

/// The files that a library becomes, itself the last: whoever finds it finds the others.
std::vector<std::pair<fs::path, std::string_view>> files_of(const fs::path& path,
                                                            const LibraryBytes& bytes) {
  std::vector<std::pair<fs::path, std::string_view>> files;
  for (const NamedBytes& kernel : bytes.device_kernels) {
    files.emplace_back(kernels_of(path) / kernel.name, kernel.bytes);
  }
  if (!bytes.extern_kernels.empty()) {
    files.emplace_back(fs::path(path).replace_extension(".json"), bytes.extern_kernels);
  }
  files.emplace_back(path, bytes.library);
  return files;
}

bool is_cached(const fs::path& path, const LibraryBytes& bytes) {
  const auto files = files_of(path, bytes);
  return std::all_of(files.begin(), files.end(),
                     [](const auto& file) { return holds(file.first, file.second); });
}

void place_files(const fs::path& path, const LibraryBytes& bytes) {
  if (!bytes.device_kernels.empty()) make_private_folder(kernels_of(path), "the folder of kernels");
  for (const auto& [file, content] : files_of(path, bytes)) place_file(file, content);
}

fs::path unpack_to_cache(const LibraryBytes& bytes) {
  const fs::path folder = usable_cache();
  const fs::path path = folder / (bytes.key + ".so");
  if (is_cached(path, bytes)) return path;
  const Descriptor lock(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.number() < 0) refuse_errno(folder, "the cache folder cannot be written to");
  while (::flock(lock.number(), LOCK_EX) != 0) {
    if (errno != EINTR) refuse_errno(folder, "the cache folder cannot be locked");
  }
  if (is_cached(path, bytes)) return path;  // Another process was first.
  bytes.verify();
  place_files(path, bytes);
  return path;
}

Descriptor unpack_to_memory(const LibraryBytes& bytes) {
  if (!bytes.extern_kernels.empty() || !bytes.device_kernels.empty()) {
    throw EngineError("the library needs a second file beside it, which memory cannot have");
  }
  Descriptor file(::memfd_create("torchship", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.number() < 0) refuse_errno("memory", "no file can be made there");
  write_all(file.number(), bytes.library, "memory");
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(file.number(), F_ADD_SEALS, kSeals) != 0) refuse_errno("memory", "cannot be sealed");
  return file;
}

fs::path unpack_to_temporary(const LibraryBytes& bytes) {
  std::error_code error;
  std::string folder = (fs::temp_directory_path(error) / "torchship-XXXXXX").string();
  if (error || ::mkdtemp(folder.data()) == nullptr) {
    throw EngineError("no temporary folder can be made");
  }
  try {
    const fs::path path = fs::path(folder) / (bytes.key + ".so");
    place_files(path, bytes);
    return path;
  } catch (...) {
    fs::remove_all(folder, error);
    throw;
  }
}

}  // namespace

Unpacked::Unpacked(fs::path path, const LibraryBytes& bytes, fs::path removed, Descriptor descriptor)
    : path_(std::move(path)), removed_(std::move(removed)), descriptor_(std::move(descriptor)) {
  if (!bytes.device_kernels.empty()) kernels_ = kernels_of(path_);
}

Unpacked::Unpacked(Unpacked&& other) noexcept
    : path_(std::move(other.path_)),
      kernels_(std::move(other.kernels_)),
      removed_(std::exchange(other.removed_, {})),
      descriptor_(std::move(other.descriptor_)) {}

Unpacked::~Unpacked() { remove(); }

void Unpacked::clean_up() noexcept {
  if (kernels_.empty()) remove();  // Which are read later.
}

void Unpacked::remove() noexcept {
  std::error_code ignored;
  if (!removed_.empty()) fs::remove_all(std::exchange(removed_, {}), ignored);
}

Unpacked Unpacked::to(UnpackPlace place, const LibraryBytes& bytes) {
  if (place == UnpackPlace::cache) return {unpack_to_cache(bytes), bytes, {}, Descriptor(-1)};
  bytes.verify();
  if (place == UnpackPlace::memory) {
    Descriptor file = unpack_to_memory(bytes);
    // The number is this library's as long as it is loaded: the loader knows libraries by path.
    fs::path path = "/proc/self/fd/" + std::to_string(file.number());
    return {std::move(path), bytes, {}, std::move(file)};
  }
  fs::path path = unpack_to_temporary(bytes);
  fs::path folder = path.parent_path();
  return {std::move(path), bytes, std::move(folder), Descriptor(-1)};
}

}  // namespace torchship
