#include "graphviz.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torchship/error.h>
#include <unistd.h>

namespace torchship::cli {
namespace {

Error failure(const std::string& what, int error) {
  return Error("dot: " + what + ": " + std::generic_category().message(error));
}

/// A file without a name, in memory: a program that reads and writes files cannot block on a pipe.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("torchship", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw failure("no memory", errno);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const noexcept { return descriptor_; }

  void fill(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR) throw failure("no memory", errno);
      bytes.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }

  std::string content() const {
    std::string text;
    std::array<char, 65536> part{};
    off_t offset = 0;
    ssize_t count = 0;
    while ((count = ::pread(descriptor_, part.data(), part.size(), offset)) > 0) {
      text.append(part.data(), static_cast<std::size_t>(count));
      offset += count;
    }
    return text;
  }

 private:
  int descriptor_;
};

/// The standard streams of the program to start.
class Streams {
 public:
  Streams(const MemoryFile& in, const MemoryFile& out, const MemoryFile& err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, in.descriptor(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, out.descriptor(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, err.descriptor(), STDERR_FILENO);
  }
  ~Streams() { ::posix_spawn_file_actions_destroy(&actions_); }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  const posix_spawn_file_actions_t* actions() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

pid_t start(const Streams& streams) {
  std::array<char, 4> program = {"dot"};
  std::array<char, 6> format = {"-Tsvg"};
  const std::array<char*, 3> arguments = {program.data(), format.data(), nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, program.data(), streams.actions(), nullptr, arguments.data(), environ);
  if (error == ENOENT) {
    throw Error("the program dot, which draws SVG, is not on PATH",
                "install graphviz, or use --html, which needs no other program");
  }
  if (error != 0) throw failure("cannot be started", error);
  return child;
}

/// The status of the program once it has ended.
int wait_for(pid_t child, std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  int status = 0;
  while (true) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) return status;
    if (done < 0 && errno != EINTR) throw failure("is lost", errno);
    if (std::chrono::steady_clock::now() > end) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(longest);
      throw Error("dot: took more than " + std::to_string(seconds.count()) + " s",
                  "use --html, which lays large graphs out part by part");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

std::string draw_svg(const std::string& dot, std::chrono::milliseconds longest) {
  MemoryFile in;
  const MemoryFile out;
  const MemoryFile err;
  in.fill(dot);
  const int status = wait_for(start(Streams(in, out, err)), longest);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string words = err.content();
    throw Error("dot: failed: " + words.substr(0, words.find('\n')), "use --html or --dot");
  }
  return out.content();
}

}  // namespace torchship::cli
