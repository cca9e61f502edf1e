#include "libtorch_version.h"

#include <regex>

#include <gtest/gtest.h>
#include <torchship/error.h>
#include <torchship/version.h>

#include "test_files.h"

namespace torchship {
namespace {

constexpr std::uint64_t word(std::uint64_t major, std::uint64_t minor, std::uint64_t patch,
                             std::uint64_t rest = 0) {
  return major << 56 | minor << 48 | patch << 40 | rest;
}

TEST(Version, AcceptsTheSameMinor) {
  EXPECT_NO_THROW(require_same_minor(word(2, 13, 0), word(2, 13, 0)));
  EXPECT_NO_THROW(require_same_minor(word(2, 13, 0), word(2, 13, 1)));
  EXPECT_NO_THROW(require_same_minor(word(2, 13, 0, 0xffffffffff), word(2, 13, 0)));
}

TEST(Version, RefusesAnotherMinorNamingBoth) {
  const std::string said =
      test::refusal([] { require_same_minor(word(2, 13, 0), word(2, 12, 1)); });
  EXPECT_HAS(said,
             "torchship was built with LibTorch 2.13.0, but this process runs LibTorch 2.12.1");
  EXPECT_HAS(said, "\ninstall the torch that torchship was built with");
  EXPECT_THROW(require_same_minor(word(2, 13, 0), word(3, 13, 0)), ArchiveError);
  EXPECT_THROW(require_same_minor(word(2, 13, 0), word(2, 14, 0)), ArchiveError);
}

TEST(Version, RunsTheLibTorchItWasBuiltWith) {
  EXPECT_NO_THROW(require_matching_libtorch());
  EXPECT_TRUE(std::regex_match(running_libtorch(), std::regex(R"(\d+\.\d+\.\d+)")));
  EXPECT_TRUE(std::regex_match(version(), std::regex(R"(\d+\.\d+\.\d+)")));
}

}  // namespace
}  // namespace torchship
