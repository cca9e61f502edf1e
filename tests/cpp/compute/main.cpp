// Runs the tests of one level of instructions, where this CPU has them: compute_test plain|avx2|avx512.

#include <gtest/gtest.h>

#include <cstdio>
#include <string_view>

#include "cpu.h"
#include "level.h"

namespace torchship::compute {
namespace {

struct Level {
  const Kernels* kernels;
  const char* cpu;  ///< That it needs; empty for any.
};

constexpr Level kLevels[] = {
    {&plain::kKernels, ""},
#if defined(TORCHSHIP_X86_KERNELS)
    {&avx2::kKernels, "x86-64-v3"},
    {&avx512::kKernels, "x86-64-v4"},
#endif
};

const Level* chosen = nullptr;

}  // namespace

const Kernels& level() { return *chosen->kernels; }

void choose(std::string_view name) {
  for (const Level& level : kLevels) {
    if (level.kernels->name == name) chosen = &level;
  }
}

}  // namespace torchship::compute

int main(int count, char** arguments) {
  using namespace torchship::compute;  // NOLINT(google-build-using-namespace)
  testing::InitGoogleTest(&count, arguments);
  constexpr int kSkipped = 77;  // CTest knows it as that.
  if (count == 2) choose(arguments[1]);
  if (chosen == nullptr) {
    std::printf("usage: compute_test plain|avx2|avx512, as far as the library has them\n");
    return 2;
  }
  if (*chosen->cpu != '\0' && !torchship::cpu_offers(chosen->cpu)) {
    std::printf("this CPU is no %s\n", chosen->cpu);
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
