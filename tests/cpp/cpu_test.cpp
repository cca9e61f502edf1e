#include "cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace torchship {
namespace {

using Names = std::vector<std::string_view>;

constexpr std::uint32_t kSecond = 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23;
constexpr std::uint32_t kThird = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
constexpr std::uint32_t kThirdMore = 1u << 3 | 1u << 5 | 1u << 8;
constexpr std::uint32_t kFourthMore = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
constexpr CpuWords kWhole = {kSecond | kThird, kThirdMore | kFourthMore, 1u << 0 | 1u << 5, 0xe7};

/// An environment variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(CpuLevel, IsTheHighestThatLacksNothing) {
  EXPECT_EQ(level_of({}), "x86-64-v1");
  EXPECT_EQ(level_of({kSecond, 0, 1, 0}), "x86-64-v2");
  EXPECT_EQ(level_of({kSecond | kThird, kThirdMore, 1u << 0 | 1u << 5, 0x7}), "x86-64-v3");
  EXPECT_EQ(level_of(kWhole), "x86-64-v4");
}

TEST(CpuLevel, FallsWithEachFeature) {
  for (const std::uint32_t bit : {0, 9, 13, 19, 20, 23}) {
    CpuWords words = kWhole;
    words.basic &= ~(1u << bit);
    EXPECT_EQ(level_of(words), "x86-64-v1") << bit;
  }
  for (const std::uint32_t bit : {12, 22, 27, 28, 29}) {
    CpuWords words = kWhole;
    words.basic &= ~(1u << bit);
    EXPECT_EQ(level_of(words), "x86-64-v2") << bit;
  }
  for (const std::uint32_t bit : {16, 17, 28, 30, 31}) {
    CpuWords words = kWhole;
    words.more &= ~(1u << bit);
    EXPECT_EQ(level_of(words), "x86-64-v3") << bit;
  }
}

TEST(CpuLevel, NeedsTheSystemToo) {
  CpuWords words = kWhole;
  words.saved = 0x7;
  EXPECT_EQ(level_of(words), "x86-64-v3");
  EXPECT_EQ(missing_of(words, "x86-64-v4"),
            (Names{"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}));
  words.saved = 0x3;
  EXPECT_EQ(level_of(words), "x86-64-v2");
  EXPECT_EQ(missing_of(words, "x86-64-v3"), (Names{"avx", "avx2", "f16c", "fma"}));
}

TEST(CpuLevel, NamesWhatIsMissing) {
  EXPECT_TRUE(missing_of(kWhole, "x86-64-v4").empty());
  EXPECT_EQ(missing_of({kSecond, 0, 0, 0}, "x86-64-v2"), Names{"lahf_lm"});
  EXPECT_TRUE(missing_of({}, "x86-64-v9").empty());
}

TEST(CpuLevel, OrdersLevels) {
  EXPECT_EQ(next_cpu_level("x86-64-v1"), "x86-64-v2");
  EXPECT_EQ(next_cpu_level("x86-64-v3"), "x86-64-v4");
  EXPECT_EQ(next_cpu_level("x86-64-v4"), "");
  EXPECT_EQ(next_cpu_level("armv8"), "");
}

#if defined(__x86_64__)

// GCC and the kernel read the same CPU in their own ways.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
TEST(ThisCpu, IsWhatTheCompilerFinds) {
  EXPECT_EQ(cpu_offers("x86-64-v2"), __builtin_cpu_supports("x86-64-v2") != 0);
  EXPECT_EQ(cpu_offers("x86-64-v3"), __builtin_cpu_supports("x86-64-v3") != 0);
  EXPECT_EQ(cpu_offers("x86-64-v4"), __builtin_cpu_supports("x86-64-v4") != 0);
}
#endif

TEST(ThisCpu, LacksWhatTheKernelLacks) {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; std::getline(file, line) && flags.empty();) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) flags.insert(word);
  }
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo has no flags";
  const Names missing = cpu_missing("x86-64-v4");
  // Two of them have older names there, and one has none.
  for (const char* name :
       {"cx16", "lahf_lm", "popcnt", "ssse3", "sse4_1", "sse4_2", "avx", "avx2", "bmi1", "bmi2",
        "f16c", "fma", "movbe", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}) {
    EXPECT_EQ(std::find(missing.begin(), missing.end(), name) == missing.end(),
              flags.count(name) == 1)
        << name;
  }
}

TEST(ThisCpu, OffersItsLevelAndThoseBelow) {
  const std::string_view level = cpu_level();
  EXPECT_TRUE(cpu_offers("x86-64-v1"));
  EXPECT_TRUE(cpu_offers(level));
  EXPECT_TRUE(cpu_missing(level).empty());
  EXPECT_FALSE(cpu_offers(next_cpu_level(level)));
  EXPECT_FALSE(cpu_offers(""));
  EXPECT_FALSE(cpu_offers("x86-64-v9"));
}

TEST(ThisCpu, IsLoweredByTheEnvironment) {
  const std::string_view level = cpu_level();
  {
    const Variable variable("TORCHSHIP_CPU", "x86-64-v1");
    EXPECT_EQ(cpu_level(), "x86-64-v1");
    EXPECT_TRUE(cpu_offers("x86-64-v1"));
    EXPECT_FALSE(cpu_offers("x86-64-v2"));
  }
  for (const char* value : {"x86-64-v4", "x86-64-v9", "", "v1"}) {
    const Variable variable("TORCHSHIP_CPU", value);
    EXPECT_EQ(cpu_level(), level) << value;
  }
  EXPECT_EQ(cpu_level(), level);
}

#else

TEST(ThisCpu, HasNoLevelElsewhere) {
  EXPECT_EQ(cpu_level(), "");
  EXPECT_FALSE(cpu_offers("x86-64-v1"));
  EXPECT_TRUE(cpu_missing("x86-64-v4").empty());
}

#endif

}  // namespace
}  // namespace torchship
