#include "fuzz/batch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace torchship::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

/// Memory that parent and child both see: how far the child is, and what it found.
class Shared {
 public:
  explicit Shared(std::size_t count) : size_(sizeof(Header) + count * sizeof(Verdict)) {
    void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    header_ = new (memory) Header;
    verdicts_ = new (header_ + 1) Verdict[count];
  }
  ~Shared() { ::munmap(header_, size_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  std::atomic<std::size_t>& finished() { return header_->finished; }
  Verdict* verdicts() { return verdicts_; }

 private:
  struct alignas(16) Header {
    std::atomic<std::size_t> finished{0};
  };
  std::size_t size_;
  Header* header_;
  Verdict* verdicts_;
};

/// Resident memory of a process in bytes; 0 when it is gone.
std::uint64_t resident(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  std::uint64_t total = 0;
  std::uint64_t pages = 0;
  file >> total >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string tail_of(const std::filesystem::path& path) {
  constexpr std::size_t kLongest = 6000;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.size() > kLongest ? text.substr(text.size() - kLongest) : text;
}

[[noreturn]] void work(const Reference& reference, std::uint64_t first, std::size_t count,
                       const std::filesystem::path& folder, Shared& shared) {
  if (std::freopen((folder / "stderr").c_str(), "w", stderr) == nullptr) ::_exit(99);
  for (std::size_t i = 0; i < count; ++i) {
    try_mutant(reference, make_mutant(reference.seed(), first + i), folder / "mutant.pt",
               shared.verdicts()[i]);
    shared.finished() = i + 1;
  }
  ::_exit(0);  // No destructors of LibTorch's, and no search for leaks.
}

std::string reason_of(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit status " + std::to_string(WEXITSTATUS(status));
}

/// Why a child must not go on; empty while it may.
class Watch {
 public:
  Watch(pid_t child, const Limits& limits)
      : child_(child), limits_(limits), most_(resident(::getpid()) + limits.growth) {}

  std::string objection(std::size_t finished) {
    if (finished != finished_) {
      finished_ = finished;
      since_ = Clock::now();
    }
    const std::chrono::duration<double> taken = Clock::now() - since_;
    if (taken.count() > limits_.seconds) return kTooLong;
    return resident(child_) > most_ ? kTooMuch : "";
  }

 private:
  pid_t child_;
  Limits limits_;
  std::uint64_t most_;
  std::size_t finished_ = 0;
  Clock::time_point since_ = Clock::now();
};

/// Waits for the child, and ends it when a mutant takes too long or too much. Says why it ended.
std::string wait_for(pid_t child, Shared& shared, const Limits& limits) {
  Watch watch(child, limits);
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const std::string objection = watch.objection(shared.finished());
    if (!objection.empty()) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return objection;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return reason_of(status);
}

}  // namespace

BatchResult run_batch(const Reference& reference, std::uint64_t first, std::size_t count,
                      const std::filesystem::path& folder, const Limits& limits) {
  Shared shared(count);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) work(reference, first, count, folder, shared);
  BatchResult result;
  result.ending.reason = wait_for(child, shared, limits);
  const bool died = !result.ending.reason.empty();
  const std::size_t tried = std::min(count, shared.finished() + (died ? 1 : 0));
  result.verdicts.assign(shared.verdicts(), shared.verdicts() + tried);
  if (died) result.ending.report = tail_of(folder / "stderr");
  return result;
}

}  // namespace torchship::fuzz
