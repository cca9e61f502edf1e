#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <torchship/error.h>

namespace torchship::test {

/// A fresh folder, removed with all it holds at the end.
class TempFolder {
 public:
  TempFolder() {
    std::random_device device;
    do {
      path_ = std::filesystem::path(::testing::TempDir()) /
              ("torchship-test-" + std::to_string(device()));
    } while (!std::filesystem::create_directory(path_));
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  /// Writes a file of that name and returns its path.
  std::filesystem::path file(std::string_view name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What the ArchiveError said that `action` threw; empty if it threw nothing.
template <typename Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const ArchiveError& error) {
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
    return error.what();
  }
  return {};
}

/// `bytes` with a number written over those at `offset`.
template <typename T>
std::string patched(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
  return bytes;
}

/// `bytes` damaged at random: some overwritten, a piece cut out, or a piece repeated.
inline std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (std::size_t times = 1 + below(4); times > 0 && !bytes.empty(); --times) {
    const std::size_t at = below(bytes.size());
    const std::size_t length = 1 + below(16);
    switch (below(5)) {
      case 0: bytes.erase(at, length); break;
      case 1: bytes.insert(below(bytes.size()), bytes.substr(at, length)); break;
      case 2: bytes[at] = static_cast<char>(below(2) == 0 ? 0x00 : 0xff); break;
      default: bytes[at] = static_cast<char>(random()); break;
    }
  }
  return bytes;
}

}  // namespace torchship::test

#define EXPECT_HAS(text, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, text)
