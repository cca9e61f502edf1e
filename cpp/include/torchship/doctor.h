#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <torchship/export.h>

namespace torchship {

/// Something about this machine or process that its user should know.
struct Remark {
  std::string subject;   ///< The part of Diagnosis that it is about: "cpu", "threads", "openmp".
  std::string code;      ///< "duplicate-openmp"; docs/cli.md lists them.
  std::string severity;  ///< "warning": slow or fragile; "problem": models cannot run.
  std::string message;   ///< One line.
  std::string hint;      ///< What to do about it; may be empty.
};

/// What torchship finds on a machine, in a process.
struct Diagnosis {
  struct Cpu {
    std::string model;                 ///< As the system names it; empty where it does not.
    std::string architecture;          ///< "x86_64", "aarch64"
    std::string level;                 ///< "x86-64-v3": as engines see it; empty elsewhere.
    std::string offered;               ///< The same where TORCHSHIP_CPU has not lowered it.
    std::string asked;                 ///< TORCHSHIP_CPU; empty when it is not set.
    std::string next_level;            ///< The one above `offered`; empty above the highest.
    std::vector<std::string> missing;  ///< What `next_level` asks for and is not here.
  } cpu;

  struct Threads {
    int cores = 0;                ///< Of the machine, as the system counts them.
    int allowed = 0;              ///< Those that this process may run on.
    std::optional<double> quota;  ///< Cores' worth of time that the control group grants.
    int used = 0;                 ///< By one operator of LibTorch, called from this thread.
    std::string omp_num_threads;  ///< The environment variable; empty when it is not set.
    std::string governor;         ///< "powersave"; empty where the system does not tell.
  } threads;

  struct LibTorch {
    std::string version;         ///< Of the one that is loaded.
    std::string built_with;      ///< Of the one that torchship was built with.
    std::filesystem::path path;  ///< The file of libtorch_cpu.so.
    std::string kernels;         ///< Of which kind it runs its kernels: "AVX2", "DEFAULT".
    bool mkl = false;
    bool onednn = false;
    bool openmp = false;
    bool lapack = false;
  } libtorch;

  struct Cuda {
    int devices = 0;     ///< That LibTorch sees.
    std::string driver;  ///< The newest CUDA that the driver can run, "12.4"; empty without one.
    std::string why;     ///< Why there are no devices; empty when there are.
  } cuda;

  /// The files of the OpenMP runtimes in this process; more than one is one too many.
  std::vector<std::filesystem::path> openmp;

  /// Where compiled engines are unpacked.
  struct Cache {
    std::filesystem::path path;  ///< Empty when no variable tells.
    std::string from;            ///< The variable that tells: "TORCHSHIP_CACHE"; may be empty.
    bool exists = false;
    bool writable = false;    ///< For a folder that is not there, whether it can be made.
    bool shared = false;      ///< Others may write to it: then it is not used.
    bool executable = false;  ///< Whether the file system lets code be run.
    std::uint64_t free = 0;   ///< Bytes for users without privileges.
  } cache;

  struct Memory {
    std::uint64_t total = 0;             ///< Bytes of the machine.
    std::uint64_t available = 0;         ///< Bytes that can be had without swapping.
    std::optional<std::uint64_t> limit;  ///< Bytes that the control group grants.
  } memory;

  struct System {
    std::string kernel;     ///< "Linux 6.1.0"
    std::string c_library;  ///< "glibc 2.36"
    std::string preloaded;  ///< LD_PRELOAD; empty when it is not set.
    std::string allocator;  ///< "jemalloc", "tcmalloc", "mimalloc"; else that of the C library.
  } system;

  std::vector<Remark> remarks;

  /// Whether no remark is a problem.
  bool passed() const noexcept {
    for (const Remark& remark : remarks) {
      if (remark.severity == "problem") return false;
    }
    return true;
  }
};

/// Looks at this machine and this process, and changes nothing. What cannot be found out is left
/// empty; it does not throw for that. Any thread may call it.
TORCHSHIP_EXPORT Diagnosis diagnose();

}  // namespace torchship
