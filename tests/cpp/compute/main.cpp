// Runs the tests of one level of instructions, where this CPU has them.

#include <gtest/gtest.h>

#include <cstdio>

#include "cpu.h"

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  constexpr int kSkipped = 77;  // CTest knows it as that.
  if (*TORCHSHIP_CPU_LEVEL != '\0' && !torchship::cpu_offers(TORCHSHIP_CPU_LEVEL)) {
    std::printf("this CPU is no " TORCHSHIP_CPU_LEVEL "\n");
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
