#include "archive/read_to_end.h"

#include <algorithm>
#include <cerrno>
#include <istream>
#include <new>
#include <system_error>

#include <poll.h>
#include <unistd.h>

#include <torchship/error.h>

namespace torchship {
namespace {

/// `take` fills a piece of memory and returns how much it did; 0 at the end.
template <typename Take>
std::string collect(const std::string& name, std::uint64_t limit, const Take& take) {
  constexpr std::size_t kFirst = 1 << 20;
  std::string bytes;
  std::size_t done = 0;
  try {
    for (;;) {
      if (done == bytes.size()) bytes.resize(std::max(kFirst, 2 * done));
      const std::size_t count = take(bytes.data() + done, bytes.size() - done);
      if (count == 0) break;
      done += count;
      if (done > limit) {
        throw ArchiveError(name + ": gives more than the " + std::to_string(limit) +
                               " bytes that can be held in memory",
                           "write it to a file and load that");
      }
    }
    bytes.resize(done);
    bytes.shrink_to_fit();
  } catch (const std::bad_alloc&) {
    throw ArchiveError(name + ": there is no memory for more than " + std::to_string(done) +
                           " bytes of it",
                       "write it to a file and load that");
  }
  if (done == 0) throw ArchiveError(name + ": gave no bytes", "an archive was expected there");
  return bytes;
}

/// Waits for a descriptor that its owner made non-blocking.
void wait_for_bytes(int descriptor) {
  struct pollfd wanted = {.fd = descriptor, .events = POLLIN, .revents = 0};
  ::poll(&wanted, 1, -1);
}

}  // namespace

std::uint64_t most_bytes_to_hold() {
  const auto pages = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
}

std::string read_to_end(int descriptor, const std::string& name, std::uint64_t limit) {
  return collect(name, limit, [&](char* out, std::size_t size) {
    for (;;) {
      const ssize_t count = ::read(descriptor, out, size);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_for_bytes(descriptor);
      } else if (errno != EINTR) {
        throw ArchiveError(name + ": cannot be read: " + std::generic_category().message(errno));
      }
    }
  });
}

std::string read_to_end(std::istream& stream, const std::string& name, std::uint64_t limit) {
  return collect(name, limit, [&](char* out, std::size_t size) {
    stream.read(out, static_cast<std::streamsize>(size));
    if (stream.bad()) throw ArchiveError(name + ": cannot be read: the stream failed");
    return static_cast<std::size_t>(stream.gcount());
  });
}

}  // namespace torchship
