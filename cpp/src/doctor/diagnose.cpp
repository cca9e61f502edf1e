#include <torchship/doctor.h>

#include "doctor/parts.h"

namespace torchship {

Diagnosis diagnose() {
  const std::vector<std::filesystem::path> loaded = loaded_files();
  Diagnosis found;
  found.cpu = find_cpu();
  found.threads = find_threads();
  found.libtorch = find_libtorch();
  found.cuda = find_cuda();
  found.openmp = openmp_runtimes(loaded);
  found.cache = find_cache();
  found.memory = find_memory();
  found.system = find_system(loaded);
  found.remarks = remarks_on(found);
  return found;
}

}  // namespace torchship
