#include "cpu.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace torchship {
namespace {

// What every 64-bit x86 has is the first level.
constexpr std::array<std::string_view, 4> kLevels = {"x86-64-v1", "x86-64-v2", "x86-64-v3",
                                                     "x86-64-v4"};

constexpr std::uint64_t kVectors = 0x6;       // XCR0: the SSE and AVX registers.
constexpr std::uint64_t kWideVectors = 0xe6;  // And the three parts that AVX-512 adds.

struct Feature {
  std::size_t level;  // The index of the first level that asks for it.
  std::string_view name;
  std::uint32_t CpuWords::* word;
  int bit;
  std::uint64_t saved = 0;  // What the system must save for it.
};

// System V ABI, AMD64 supplement, table "Micro-Architecture Levels".
constexpr Feature kFeatures[] = {
    {1, "cx16", &CpuWords::basic, 13},
    {1, "lahf_lm", &CpuWords::extended, 0},
    {1, "popcnt", &CpuWords::basic, 23},
    {1, "sse3", &CpuWords::basic, 0},
    {1, "ssse3", &CpuWords::basic, 9},
    {1, "sse4_1", &CpuWords::basic, 19},
    {1, "sse4_2", &CpuWords::basic, 20},
    {2, "avx", &CpuWords::basic, 28, kVectors},
    {2, "avx2", &CpuWords::more, 5, kVectors},
    {2, "bmi1", &CpuWords::more, 3},
    {2, "bmi2", &CpuWords::more, 8},
    {2, "f16c", &CpuWords::basic, 29, kVectors},
    {2, "fma", &CpuWords::basic, 12, kVectors},
    {2, "lzcnt", &CpuWords::extended, 5},
    {2, "movbe", &CpuWords::basic, 22},
    {2, "osxsave", &CpuWords::basic, 27},
    {3, "avx512f", &CpuWords::more, 16, kWideVectors},
    {3, "avx512bw", &CpuWords::more, 30, kWideVectors},
    {3, "avx512cd", &CpuWords::more, 28, kWideVectors},
    {3, "avx512dq", &CpuWords::more, 17, kWideVectors},
    {3, "avx512vl", &CpuWords::more, 31, kWideVectors},
};

/// The index of a level; kLevels.size() for levels unknown.
std::size_t index_of(std::string_view level) {
  return static_cast<std::size_t>(
      std::distance(kLevels.begin(), std::find(kLevels.begin(), kLevels.end(), level)));
}

bool offers(const CpuWords& words, const Feature& feature) {
  return (words.*feature.word >> feature.bit & 1) != 0 &&
         (words.saved & feature.saved) == feature.saved;
}

#if defined(__x86_64__)

constexpr std::uint32_t kUsesXcr0 = 1u << 27;  // Leaf 1, ECX: the system has turned XSAVE on.

CpuWords read_words() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  CpuWords words;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) words.basic = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) words.more = b;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) != 0) words.extended = c;
  if ((words.basic & kUsesXcr0) != 0) {
    // Written out: the intrinsic wants the whole file compiled for CPUs that have the instruction.
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    words.saved = static_cast<std::uint64_t>(high) << 32 | low;
  }
  return words;
}

const CpuWords* this_cpu() {
  static const CpuWords words = read_words();
  return &words;
}

#else

const CpuWords* this_cpu() { return nullptr; }

#endif

}  // namespace

std::vector<std::string_view> missing_of(const CpuWords& words, std::string_view level) {
  const std::size_t index = index_of(level);
  std::vector<std::string_view> missing;
  if (index == kLevels.size()) return missing;
  for (const Feature& feature : kFeatures) {
    if (feature.level <= index && !offers(words, feature)) missing.push_back(feature.name);
  }
  return missing;
}

std::string_view level_of(const CpuWords& words) {
  std::size_t index = 0;
  while (index + 1 < kLevels.size() && missing_of(words, kLevels[index + 1]).empty()) ++index;
  return kLevels[index];
}

std::string_view cpu_level() {
  const CpuWords* const words = this_cpu();
  if (words == nullptr) return {};
  static const std::size_t offered = index_of(level_of(*words));
  const char* const lowered = std::getenv("TORCHSHIP_CPU");
  // An unknown level has the largest index of all.
  return kLevels[std::min(offered, lowered == nullptr ? offered : index_of(lowered))];
}

bool cpu_is_lowered() {
  const CpuWords* const words = this_cpu();
  return words != nullptr && cpu_level() != level_of(*words);
}

bool cpu_offers(std::string_view level) {
  const std::size_t index = index_of(level);
  return index < kLevels.size() && this_cpu() != nullptr && index <= index_of(cpu_level());
}

std::vector<std::string_view> cpu_missing(std::string_view level) {
  const CpuWords* const words = this_cpu();
  return words == nullptr ? std::vector<std::string_view>() : missing_of(*words, level);
}

std::string_view next_cpu_level(std::string_view level) {
  const std::size_t next = index_of(level) + 1;
  return next < kLevels.size() ? kLevels[next] : std::string_view();
}

}  // namespace torchship
