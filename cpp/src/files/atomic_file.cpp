#include "files/atomic_file.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

ArchiveError failure(const fs::path& path, int error) {
  const std::string name = path.string();
  switch (error) {
    case ENOSPC:
    case EDQUOT: return ArchiveError(name + ": cannot be written: the disk is full");
    case EACCES:
    case EPERM:
    case EROFS: return ArchiveError(name + ": cannot be written: permission denied");
    default:
      return ArchiveError(name + ": cannot be written: " + std::generic_category().message(error));
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Where `path` leads; the file there need not exist.
fs::path follow_links(const fs::path& path) {
  constexpr int kMostLinks = 40;
  fs::path target = path;
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(target, error)); ++links) {
    if (links == kMostLinks) throw failure(path, ELOOP);
    const fs::path next = fs::read_symlink(target, error);
    if (error) throw failure(path, error.value());
    target = target.parent_path() / next;
  }
  return target;
}

/// The mode of the file at `target`, if there is one. Throws unless one may write there.
std::optional<mode_t> check_target(const fs::path& path, const fs::path& target) {
  if (!target.has_filename()) throw ArchiveError(path.string() + ": is not the name of a file");
  struct stat status = {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno != ENOENT) throw failure(path, errno);
    const fs::path folder = folder_of(target);
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
      throw ArchiveError(path.string() + ": no folder " + quote(folder.string()));
    }
    return std::nullopt;
  }
  if (S_ISDIR(status.st_mode)) throw ArchiveError(path.string() + ": is a folder, not a file");
  if (!S_ISREG(status.st_mode)) throw ArchiveError(path.string() + ": not a regular file");
  if (::access(target.c_str(), W_OK) != 0) throw failure(path, errno);
  return status.st_mode & 0777;
}

fs::path temporary_name(const fs::path& folder) {
  std::random_device device;
  const std::uint64_t number = (std::uint64_t{device()} << 32) | device();
  return folder / (".torchship-" + std::to_string(number) + ".tmp");
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(path), target_(follow_links(path)) {
  const std::optional<mode_t> mode = check_target(path_, target_);
  do {
    temporary_ = temporary_name(folder_of(target_));
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    descriptor_ = ::open(temporary_.c_str(), kFlags, mode.value_or(0666));
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) throw failure(path_, errno);
  // Replacing a file keeps its mode, as writing into it would; the umask is for new ones.
  if (mode) ::fchmod(descriptor_, *mode);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw failure(path_, errno);
    }
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) throw failure(path_, errno);
  // close() frees the descriptor even where it fails.
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) throw failure(path_, errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw failure(path_, errno);
  temporary_.clear();
  // The file is in place; some file systems cannot sync folders, so this is on a best-effort basis.
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  ::fsync(folder);
  ::close(folder);
}

}  // namespace torchship
