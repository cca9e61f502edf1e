#include "team.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace torchship {
namespace {

/// Note [The threads of LibTorch]
/// LibTorch brings its OpenMP runtime. Code compiled with -fopenmp would bring another one, with
/// threads of its own, so the functions that compilers call are taken from the one that is there;
/// their names and arguments are those of libgomp's interface, which LLVM's and Intel's runtimes
/// offer as well.
struct OpenMp {
  void (*parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
  int (*thread_index)() = nullptr;
  int (*thread_count)() = nullptr;

  bool is_there() const { return parallel && thread_index && thread_count; }
};

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
}

OpenMp find_openmp() {
  OpenMp found;
  // A handle finds what a library needs, too.
  void* const library = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return found;
  find(library, "GOMP_parallel", found.parallel);
  find(library, "omp_get_thread_num", found.thread_index);
  find(library, "omp_get_num_threads", found.thread_count);
  dlclose(library);  // It stays: this library needs it.
  return found;
}

const OpenMp& openmp() {
  static const OpenMp found = find_openmp();
  return found;
}

using Work = c10::function_ref<void(compute::Share)>;

/// The runtime is built without the thread sanitizer, which has to be told that a region's threads begin
/// after what came before it, and end before what follows.
void tell_release([[maybe_unused]] void* region) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(region);
#endif
}

void tell_acquire([[maybe_unused]] void* region) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(region);
#endif
}

void share(void* region) {
  tell_acquire(region);
  const Work& work = *static_cast<const Work*>(region);
  work({.index = openmp().thread_index(), .count = openmp().thread_count()});
  tell_release(region);
}

}  // namespace

void run_team(int threads, c10::function_ref<void(compute::Share)> work) {
  if (threads <= 1 || !openmp().is_there() || at::in_parallel_region()) return work({});
  tell_release(&work);
  openmp().parallel(share, &work, static_cast<unsigned>(threads), 0);
  tell_acquire(&work);
}

}  // namespace torchship
