#pragma once

#include <torchship/doctor.h>

#include <string>
#include <string_view>
#include <vector>

namespace torchship {

// What diagnose() puts together.

Diagnosis::Cpu find_cpu();
Diagnosis::Threads find_threads();
Diagnosis::LibTorch find_libtorch();
Diagnosis::Cuda find_cuda();
Diagnosis::Cache find_cache();
Diagnosis::Memory find_memory();
/// `loaded` are the files of loaded_files().
Diagnosis::System find_system(const std::vector<std::filesystem::path>& loaded);

/// The files of the executable and of every library in this process.
std::vector<std::filesystem::path> loaded_files();

/// Those of them that are OpenMP runtimes, of whatever maker.
std::vector<std::filesystem::path> openmp_runtimes(const std::vector<std::filesystem::path>& files);

/// How many cores' worth of time the process can have, rounded up.
int usable_cores(const Diagnosis::Threads& threads);

/// What the facts mean for those who run models.
std::vector<Remark> remarks_on(const Diagnosis& found);

}  // namespace torchship
