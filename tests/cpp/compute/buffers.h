#pragma once

// Memory for the tests of the compute kernels, whose ends are watched.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "compute/share.h"

namespace torchship::compute {

/// Floats with guards on both sides, that begin off all alignments but a float's own.
class Guarded {
 public:
  explicit Guarded(std::int64_t size, float value = 0)
      : memory_(static_cast<std::size_t>(size) + 2 * kGuards, kGuard) {
    std::fill(memory_.begin() + kGuards, memory_.end() - kGuards, value);
  }
  float* data() { return memory_.data() + kGuards; }
  std::int64_t size() const { return static_cast<std::int64_t>(memory_.size()) - 2 * kGuards; }
  float& operator[](std::int64_t i) { return data()[i]; }
  void randomise(unsigned seed, float low = -3, float high = 3) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> numbers(low, high);
    for (std::int64_t i = 0; i < size(); ++i) data()[i] = numbers(generator);
  }
  bool is_intact() const {
    for (int i = 0; i < kGuards; ++i) {
      if (memory_[static_cast<std::size_t>(i)] != kGuard ||
          memory_[memory_.size() - 1 - static_cast<std::size_t>(i)] != kGuard) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int kGuards = 17;
  static constexpr float kGuard = 1234.5f;
  std::vector<float> memory_;
};

/// Whether they are the same but for rounding: `tolerance` is relative for what is larger than 1.
inline ::testing::AssertionResult is_close(float got, double expected, double tolerance) {
  if (std::isnan(expected)) {
    return std::isnan(got) ? ::testing::AssertionSuccess()
                           : ::testing::AssertionFailure() << got << ", expected NaN";
  }
  if (got == static_cast<float>(expected)) return ::testing::AssertionSuccess();
  if (std::abs(got - expected) <= tolerance * std::fmax(1, std::abs(expected)))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << got << ", expected " << expected;
}

/// A kernel's scratch memory.
inline float* scratch_memory(std::int64_t size) {
  static thread_local std::vector<float> memory;
  memory.assign(static_cast<std::size_t>(size) + 16, std::nanf(""));
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return memory.data() + (64 - address % 64) % 64 / sizeof(float);
}

/// Calls a kernel as a team of threads would, one after the other.
template <typename Kernel>
void for_each_share(int count, Kernel kernel) {
  for (int index = 0; index < count; ++index) kernel(Share{index, count});
}

}  // namespace torchship::compute
