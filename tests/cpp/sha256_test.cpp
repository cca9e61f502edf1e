#include "archive/sha256.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace torchship {
namespace {

using Path = Sha256::Path;

std::string digest(std::string_view bytes, Path path) {
  Sha256 sum(path);
  sum.update(bytes);
  return sum.finish();
}

class Sha256Test : public ::testing::TestWithParam<Path> {};

// FIPS 180-4's own examples, and lengths around the padding's edges (sums by Python's hashlib).
TEST_P(Sha256Test, KnownAnswers) {
  const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(digest("", GetParam()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc", GetParam()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(two_blocks, GetParam()),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a'), GetParam()),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(digest(std::string(55, 'x'), GetParam()),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(digest(std::string(56, 'x'), GetParam()),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(digest(std::string(63, 'x'), GetParam()),
            "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(digest(std::string(64, 'x'), GetParam()),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(digest(std::string(65, 'x'), GetParam()),
            "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
  EXPECT_EQ(digest(std::string(119, 'x'), GetParam()),
            "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
  EXPECT_EQ(digest(std::string(120, 'x'), GetParam()),
            "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
}

TEST_P(Sha256Test, PiecesDoNotMatter) {
  std::mt19937 random(1);
  std::string bytes(5000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::string whole = digest(bytes, Path::portable);
  for (int round = 0; round < 50; ++round) {
    Sha256 sum(GetParam());
    for (std::string_view rest = bytes; !rest.empty();) {
      const std::size_t length = std::min<std::size_t>(random() % 200, rest.size());
      sum.update(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    ASSERT_EQ(sum.finish(), whole);
  }
}

TEST_P(Sha256Test, EveryLengthAgreesWithThePortableCode) {
  std::string bytes;
  for (int length = 0; length < 300; ++length) {
    ASSERT_EQ(digest(bytes, GetParam()), digest(bytes, Path::portable)) << length;
    bytes += static_cast<char>(length * 7);
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, Sha256Test, ::testing::Values(Path::best, Path::portable),
                         [](const auto& path) {
                           return path.param == Path::best ? "Best" : "Portable";
                         });

}  // namespace
}  // namespace torchship
