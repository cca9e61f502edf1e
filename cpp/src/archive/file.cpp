#include "archive/file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

[[noreturn]] void refuse_to_open(const std::filesystem::path& path, int error) {
  const std::string name = path.string();
  switch (error) {
    case ENOENT:
    case ENOTDIR: throw ArchiveError(name + ": no such file");
    case EACCES:
    case EPERM: throw ArchiveError(name + ": permission denied");
    case ENXIO: throw ArchiveError(name + ": not a regular file");
    default:
      throw ArchiveError(name + ": cannot be opened: " + std::generic_category().message(error));
  }
}

int open_for_reading(const std::filesystem::path& path) {
  if (path.native().find('\0') != std::string::npos) {
    throw ArchiveError(quote(path.native()) + ": no file has a NUL character in its name");
  }
  // O_NONBLOCK: a FIFO without a writer would block here; regular files ignore it.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), kFlags);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) refuse_to_open(path, errno);
  return descriptor;
}

ArchiveError ends_early(const std::filesystem::path& path, std::uint64_t end, std::uint64_t offset,
                        std::uint64_t length) {
  return ArchiveError(path.string() + ": ends at byte " + std::to_string(end) + ", but " +
                          std::to_string(length) + " bytes are needed at " + std::to_string(offset),
                      "It is cut short or damaged: copy or download it again.");
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

File::File(std::filesystem::path path, Access access)
    : File(Descriptor(open_for_reading(path)), path, access) {}

File::File(Descriptor descriptor, std::filesystem::path name, Access access)
    : path_(std::move(name)), descriptor_(std::move(descriptor)), access_(access) {
  struct stat status = {};
  if (::fstat(descriptor_.number(), &status) != 0) refuse_to_open(path_, errno);
  if (!S_ISREG(status.st_mode)) {
    throw ArchiveError(path_.string() + (S_ISDIR(status.st_mode) ? ": is a directory, not a file"
                                                                 : ": not a regular file"));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  if (access_ == Access::read) return;
  if (const auto mapping = Mapping::of(descriptor_.number(), size_, Mapping::Use::read)) {
    bytes_ = mapping->bytes();
    owner_ = mapping;
  }
}

File::File(std::span<const char> bytes, std::filesystem::path name,
           std::shared_ptr<const void> owner)
    : path_(std::move(name)),
      descriptor_(-1),
      size_(bytes.size()),
      owner_(std::move(owner)),
      bytes_(bytes) {}

void File::read(std::uint64_t offset, std::span<char> out) const {
  check_range(offset, out.size());
  if (bytes_.size() == size_) {
    std::copy_n(bytes_.data() + offset, out.size(), out.data());
    return;
  }
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t at = offset + done;
    const ssize_t count =
        ::pread(descriptor_.number(), out.data() + done, out.size() - done, static_cast<off_t>(at));
    if (count == 0) throw ends_early(path_, at, offset, out.size());
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      throw ArchiveError(path_.string() + ": cannot be read at byte " + std::to_string(at) + ": " +
                         std::generic_category().message(errno));
    }
  }
}

std::string File::read(std::uint64_t offset, std::uint64_t length) const {
  check_range(offset, length);
  std::string bytes(length, '\0');
  read(offset, std::span<char>(bytes));
  return bytes;
}

std::shared_ptr<const Mapping> File::writable() const {
  if (access_ == Access::read) return nullptr;
  return Mapping::of(descriptor_.number(), size_, Mapping::Use::write);
}

void File::check_range(std::uint64_t offset, std::uint64_t length) const {
  const bool inside = offset <= size_ && length <= size_ - offset;
  if (!inside) throw ends_early(path_, size_, offset, length);
}

}  // namespace torchship
