#include <string>

#include "doctor/parts.h"

namespace torchship {
namespace {

constexpr std::uint64_t kMegabyte = 1000 * 1000;

std::string megabytes(std::uint64_t bytes) { return std::to_string(bytes / kMegabyte) + " MB"; }

std::string plural(int count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// "2.13" of "2.13.0"
std::string minor_series(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

class Remarks {
 public:
  void warn(const char* subject, const char* code, std::string message, std::string hint) {
    remarks_.push_back({subject, code, "warning", std::move(message), std::move(hint)});
  }
  void fail(const char* subject, const char* code, std::string message, std::string hint) {
    remarks_.push_back({subject, code, "problem", std::move(message), std::move(hint)});
  }
  std::vector<Remark> take() { return std::move(remarks_); }

 private:
  std::vector<Remark> remarks_;
};

void look_at(const Diagnosis::Cpu& cpu, Remarks& remarks) {
  if (cpu.level != cpu.offered) {
    remarks.warn(
        "cpu", "lowered-cpu",
        "TORCHSHIP_CPU makes engines take this CPU for " + cpu.level + ", and it is " + cpu.offered,
        "unset TORCHSHIP_CPU, which is for tests");
  } else if (!cpu.asked.empty() && cpu.asked != cpu.level) {
    remarks.warn("cpu", "unused-cpu-variable",
                 "TORCHSHIP_CPU is '" + cpu.asked + "', which lowers nothing here",
                 "it takes x86-64-v1, x86-64-v2, x86-64-v3 or x86-64-v4, and can only lower");
  }
  if (cpu.offered == "x86-64-v1" || cpu.offered == "x86-64-v2") {
    remarks.warn("cpu", "old-cpu",
                 "this CPU is " + cpu.offered + ", and most kernels want x86-64-v3",
                 "in a virtual machine, let it have the CPU of its host");
  }
}

void look_at(const Diagnosis::Threads& threads, Remarks& remarks) {
  const int usable = usable_cores(threads);
  if (threads.used > usable) {
    remarks.warn("threads", "too-many-threads",
                 "an operator takes " + plural(threads.used, "thread") + ", but the process has " +
                     plural(usable, "core") + " to run them on",
                 "set OMP_NUM_THREADS=" + std::to_string(usable) + ", or give --threads");
  } else if (threads.omp_num_threads == "1" && usable > 1) {
    remarks.warn("threads", "one-thread",
                 "OMP_NUM_THREADS is 1: one of " + plural(usable, "core") + " computes",
                 "unset OMP_NUM_THREADS, unless other processes have the other cores");
  }
  if (threads.governor == "powersave") {
    remarks.warn("threads", "powersave", "the CPU's clock is held low: its governor is powersave",
                 "cpupower frequency-set -g performance, as root");
  }
}

void look_at(const Diagnosis::LibTorch& libtorch, const Diagnosis::Cpu& cpu, Remarks& remarks) {
  if (minor_series(libtorch.version) != minor_series(libtorch.built_with)) {
    remarks.fail("libtorch", "other-libtorch",
                 "this process runs LibTorch " + libtorch.version +
                     ", and torchship was built with " + libtorch.built_with,
                 "install the torch that torchship was built with, or build torchship again");
  }
  const bool wide = cpu.offered == "x86-64-v3" || cpu.offered == "x86-64-v4";
  if (wide && libtorch.kernels.starts_with("DEFAULT")) {
    const bool has_proc = !cpu.model.empty();
    remarks.warn("libtorch", "slow-kernels", "LibTorch runs kernels that any CPU has",
                 has_proc ? "unset ATEN_CPU_CAPABILITY, or take a LibTorch with kernels for AVX2"
                          : "mount /proc, where LibTorch looks for the CPU's features");
  }
}

void look_at(const Diagnosis::Cuda& cuda, Remarks& remarks) {
  // A LibTorch without CUDA is a choice, and one with CUDA and no device an accident.
  if (cuda.devices == 0 && cuda.why.find("built without CUDA") == std::string::npos) {
    remarks.warn("cuda", "no-cuda-device", "this LibTorch has CUDA, but " + cuda.why,
                 "check nvidia-smi, or use a LibTorch for the CPU alone, which is smaller");
  }
}

void look_at_openmp(const Diagnosis& found, Remarks& remarks) {
  if (found.openmp.size() < 2) return;
  std::string files;
  for (const std::filesystem::path& file : found.openmp) {
    files += (files.empty() ? "" : ", ") + file.string();
  }
  remarks.warn("openmp", "duplicate-openmp",
               plural(static_cast<int>(found.openmp.size()), "OpenMP runtime") +
                   " are in this process, each with threads of its own: " + files,
               "keep one: see LD_PRELOAD and what else was loaded before");
}

void look_at(const Diagnosis::Cache& cache, Remarks& remarks) {
  constexpr std::uint64_t kEnough = 100 * kMegabyte;
  const std::string folder = "the cache for compiled engines, " + cache.path.string();
  const std::string hint = "set TORCHSHIP_CACHE to a folder where files can be written and run";
  if (cache.path.empty()) {
    remarks.warn("cache", "no-cache", "there is no cache for compiled engines: HOME is not set",
                 hint);
  } else if (!cache.writable) {
    remarks.warn("cache", "read-only-cache", folder + ", cannot be written to", hint);
  } else if (cache.shared) {
    remarks.warn("cache", "shared-cache",
                 folder + ", is not used: others may write to it, or it is another user's", hint);
  } else if (!cache.executable) {
    remarks.warn("cache", "noexec-cache", folder + ", is where nothing may be run (noexec)", hint);
  } else if (cache.free < kEnough) {
    remarks.warn("cache", "full-cache", folder + ", has " + megabytes(cache.free) + " left", hint);
  }
}

void look_at(const Diagnosis::Memory& memory, Remarks& remarks) {
  constexpr std::uint64_t kEnough = 500 * kMegabyte;  // LibTorch and a small model.
  if (memory.limit && *memory.limit < kEnough) {
    remarks.warn(
        "memory", "small-memory-limit",
        "the control group of this process grants " + megabytes(*memory.limit) + " of memory",
        "raise the container's limit if processes are killed");
  } else if (memory.available > 0 && memory.available < kEnough) {
    remarks.warn("memory", "little-memory", megabytes(memory.available) + " of memory are free",
                 "end other processes, or take a machine with more memory");
  }
}

}  // namespace

std::vector<Remark> remarks_on(const Diagnosis& found) {
  Remarks remarks;
  look_at(found.cpu, remarks);
  look_at(found.threads, remarks);
  look_at(found.libtorch, found.cpu, remarks);
  look_at(found.cuda, remarks);
  look_at_openmp(found, remarks);
  look_at(found.cache, remarks);
  look_at(found.memory, remarks);
  return remarks.take();
}

}  // namespace torchship
