#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "cpu.h"
#include "doctor/control_group.h"
#include "doctor/parts.h"
#include "doctor/read_text.h"

namespace torchship {
namespace {

/// How many cores the process may run on; machines have more of them than a cpu_set_t holds.
int allowed_cores() {
  for (std::size_t cores = CPU_SETSIZE; cores <= 1u << 20; cores *= 2) {
    cpu_set_t* const set = CPU_ALLOC(cores);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(cores);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return count;
  }
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

/// "16318428 kB" of /proc/meminfo in bytes.
std::uint64_t kilobytes(const std::vector<std::string>& lines, const std::string& key) {
  return std::strtoull(value_of(lines, key).c_str(), nullptr, 10) * 1024;
}

std::string c_library() {
#if defined(__GLIBC__)
  return std::string("glibc ") + gnu_get_libc_version();
#else
  return {};
#endif
}

std::string allocator_in(const std::vector<std::filesystem::path>& loaded) {
  for (const char* name : {"jemalloc", "tcmalloc", "mimalloc"}) {
    for (const std::filesystem::path& file : loaded) {
      if (file.filename().string().find(name) != std::string::npos) return name;
    }
  }
  return "the C library's";
}

}  // namespace

Diagnosis::Cpu find_cpu() {
  utsname system{};
  uname(&system);
  Diagnosis::Cpu cpu;
  cpu.model = value_of(lines_of("/proc/cpuinfo"), "model name");
  cpu.architecture = system.machine;
  cpu.level = cpu_level();
  cpu.asked = environment("TORCHSHIP_CPU");
  std::string_view offered = cpu.level;
  std::string_view next = next_cpu_level(offered);
  while (!offered.empty() && !next.empty() && cpu_missing(next).empty()) {
    offered = next;
    next = next_cpu_level(offered);
  }
  cpu.offered = offered;
  if (offered.empty()) return cpu;
  cpu.next_level = next;
  for (const std::string_view feature : cpu_missing(next)) cpu.missing.emplace_back(feature);
  return cpu;
}

Diagnosis::Threads find_threads() {
  Diagnosis::Threads threads;
  threads.cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  threads.allowed = allowed_cores();
  threads.quota = control_group_limits().cores;
  threads.used = at::get_num_threads();
  threads.omp_num_threads = environment("OMP_NUM_THREADS");
  // The drivers with "pstate" in their name raise the clock under every governor.
  const std::filesystem::path frequency = "/sys/devices/system/cpu/cpu0/cpufreq";
  if (first_line(frequency / "scaling_driver").find("pstate") == std::string::npos) {
    threads.governor = first_line(frequency / "scaling_governor");
  }
  return threads;
}

int usable_cores(const Diagnosis::Threads& threads) {
  if (!threads.quota) return threads.allowed;
  return std::clamp(static_cast<int>(std::ceil(std::min(*threads.quota, 1e6))), 1,
                    std::max(threads.allowed, 1));
}

Diagnosis::Memory find_memory() {
  const std::vector<std::string> lines = lines_of("/proc/meminfo");
  Diagnosis::Memory memory;
  memory.total = kilobytes(lines, "MemTotal");
  memory.available = kilobytes(lines, "MemAvailable");
  if (memory.total == 0) {  // Roots without /proc.
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    memory.total = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
    memory.available = static_cast<std::uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  }
  memory.limit = control_group_limits().bytes;
  return memory;
}

Diagnosis::System find_system(const std::vector<std::filesystem::path>& loaded) {
  utsname name{};
  uname(&name);
  Diagnosis::System system;
  system.kernel = std::string(name.sysname) + " " + name.release;
  system.c_library = c_library();
  system.preloaded = environment("LD_PRELOAD");
  system.allocator = allocator_in(loaded);
  return system;
}

}  // namespace torchship
