#include <torchship/source.h>

#include <sstream>
#include <thread>

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/lint.h>
#include <torchship/model.h>

#include <fcntl.h>
#include <unistd.h>

#include "archive/read_to_end.h"
#include "test_files.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;
using test::refusal;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A cipher that is its own inverse.
std::vector<std::byte> toggled(std::span<const std::byte> bytes) {
  std::vector<std::byte> out(bytes.begin(), bytes.end());
  for (std::byte& byte : out) byte ^= std::byte{0x5a};
  return out;
}

class SourceTest : public testing::Test {
 protected:
  SourceTest() {
    torch::jit::Module module("Net");
    module.register_parameter("weight", at::ones({4}), false);
    module.register_buffer("count", at::ones({1}));
    module.define(R"(
      def forward(self, x):
        return x * self.weight
      def step(self):
        self.count += 1
        return self.count
    )");
    module.save(path_.string());
    bytes_ = test::bytes_of_file(path_);
  }

  /// Loads, describes, and finds nothing but what is found in the file.
  void expect_works(const Source& source, const std::string& name) const {
    EXPECT_EQ(Model(source)({at::ones({4})}).tensor().sum().item<float>(), 4);
    EXPECT_EQ(read_info(source).path, name);
    EXPECT_EQ(read_info(source).file_size, static_cast<std::int64_t>(bytes_.size()));
    EXPECT_EQ(lint(source).size(), lint(path_).size());
  }

  test::TempFolder folder_;
  fs::path path_ = folder_ / "m.pt";
  std::string bytes_;
};

TEST_F(SourceTest, PathsAreSources) {
  expect_works(path_, path_.string());
  expect_works(path_.string(), path_.string());
  expect_works(path_.c_str(), path_.string());
  expect_works(std::string_view(path_.native()), path_.string());
  EXPECT_HAS(refusal([&] { Model model("no/such.pt"); }), "no/such.pt: no such file");
}

TEST_F(SourceTest, MemoryIsRead) {
  expect_works(Source::memory(bytes_of(bytes_), "memory"), "memory");
  EXPECT_HAS(refusal([] { Model model(Source::memory({}, "memory")); }),
             "memory: the file is empty");
}

TEST_F(SourceTest, MemoryIsNeverWritten) {
  const std::string before = bytes_;
  const Model model(Source::memory(bytes_of(bytes_), "memory"));
  EXPECT_EQ(model.call("step", {}).tensor().item<float>(), 2);
  EXPECT_EQ(bytes_, before);
}

TEST_F(SourceTest, TheOwnerOfMemoryLivesAsLongAsTheModel) {
  auto owner = std::make_shared<const std::string>(bytes_);
  const std::weak_ptr<const std::string> alive = owner;
  {
    const Model model(Source::memory(bytes_of(*owner), "memory", owner));
    owner.reset();
    EXPECT_FALSE(alive.expired());
    EXPECT_EQ(model({at::ones({4})}).tensor().sum().item<float>(), 4);
  }
  EXPECT_TRUE(alive.expired());
}

TEST_F(SourceTest, DescriptorsOfFilesAreDuplicated) {
  const int descriptor = ::open(path_.c_str(), O_RDONLY);
  ::lseek(descriptor, 7, SEEK_SET);  // Where it stands does not count.
  const Source source = Source::descriptor(descriptor, "fd");
  ::close(descriptor);
  fs::remove(path_);
  const Model model(source);
  EXPECT_EQ(model({at::ones({4})}).tensor().sum().item<float>(), 4);
  EXPECT_EQ(model.info().path, "fd");
}

TEST_F(SourceTest, PipesAreReadToTheEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer([&] {
    for (std::size_t done = 0; done < bytes_.size();) {
      const std::size_t size = std::min<std::size_t>(1000, bytes_.size() - done);
      const ssize_t count = ::write(ends[1], bytes_.data() + done, size);
      if (count < 0) break;
      done += static_cast<std::size_t>(count);
    }
    ::close(ends[1]);
  });
  const Source source = Source::descriptor(ends[0], "pipe");
  writer.join();
  ::close(ends[0]);
  expect_works(source, "pipe");
}

TEST_F(SourceTest, BadDescriptorsAreNamed) {
  EXPECT_HAS(refusal([] { Source::descriptor(-1, "fd"); }),
             "fd: cannot be read: Bad file descriptor");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[1]);
  EXPECT_HAS(refusal([&] { Source::descriptor(ends[0], "pipe"); }), "pipe: gave no bytes");
  ::close(ends[0]);
  const int folder = ::open("/", O_RDONLY | O_DIRECTORY);
  EXPECT_HAS(refusal([&] { Model model(Source::descriptor(folder, "fd")); }), "fd: is a directory");
  ::close(folder);
}

TEST_F(SourceTest, StreamsAreReadToTheEnd) {
  std::istringstream stream("skipped" + bytes_);
  stream.seekg(7);
  expect_works(Source::stream(stream, "stream"), "stream");
  std::istringstream empty;
  EXPECT_HAS(refusal([&] { Source::stream(empty, "stream"); }), "stream: gave no bytes");
}

TEST_F(SourceTest, EndlessStreamsAreRefused) {
  const int zeros = ::open("/dev/zero", O_RDONLY);
  const std::string said = refusal([&] { read_to_end(zeros, "zeros", 5'000'000); });
  EXPECT_HAS(said, "zeros: gives more than the 5000000 bytes that can be held in memory");
  ::close(zeros);
  EXPECT_GT(most_bytes_to_hold(), 1u << 20);
}

TEST_F(SourceTest, CiphersAreUndone) {
  const std::vector<std::byte> secret = toggled(bytes_of(bytes_));
  expect_works(Source::decrypted(Source::memory(secret, "secret"), toggled), "secret");
  const auto* const chars = reinterpret_cast<const char*>(secret.data());
  const fs::path file = folder_.file("m.pt.enc", std::string_view(chars, secret.size()));
  expect_works(Source::decrypted(file, toggled), file.string());
  EXPECT_HAS(refusal([&] { Model model(file); }), "is no zip file");
}

TEST_F(SourceTest, WhatADecryptHookThrowsNamesTheSource) {
  const auto said = [&](Source::Decrypt hook) {
    return refusal([&] { Model model(Source::decrypted(path_, std::move(hook))); });
  };
  EXPECT_HAS(said([](auto) -> std::vector<std::byte> {
               throw std::runtime_error("wrong key\nand more");
             }),
             "m.pt: cannot be decrypted: wrong key");
  EXPECT_HAS(said([](auto) -> std::vector<std::byte> { throw 7; }), "m.pt: cannot be decrypted");
  EXPECT_HAS(said(toggled), "m.pt: is not a TorchScript archive");
  EXPECT_HAS(said([](auto) { return std::vector<std::byte>(); }), "m.pt: the file is empty");
  EXPECT_HAS(said({}), "m.pt: cannot be decrypted");
}

}  // namespace
}  // namespace torchship
