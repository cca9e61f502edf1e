#include "archive/file.h"

#include <csignal>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "archive/text.h"
#include "files/atomic_file.h"
#include "files/byte_source.h"
#include "test_files.h"

namespace torchship {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::string refusal_to_open(const fs::path& path) {
  return refusal([&] { File file(path); });
}

std::string refusal_to_write(const fs::path& path) {
  return refusal([&] {
    AtomicFile file(path);
    file.write("new");
    file.commit();
  });
}

std::size_t files_in(const TempFolder& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

TEST(File, ReadsAnyRange) {
  const TempFolder folder;
  const File file(folder.file("a.bin", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.path(), folder / "a.bin");
  EXPECT_EQ(file.read(0, 10), "0123456789");
  EXPECT_EQ(file.read(3, 2), "34");
  EXPECT_EQ(file.read(10, 0), "");
}

TEST(File, NamesWhatCannotBeOpened) {
  const TempFolder folder;
  EXPECT_EQ(refusal_to_open(folder / "none.pt"), (folder / "none.pt").string() + ": no such file");
  EXPECT_HAS(refusal_to_open(folder.file("a", "") / "b.pt"), "b.pt: no such file");
  EXPECT_HAS(refusal_to_open(folder.path()), "is a directory, not a file");
  EXPECT_HAS(refusal_to_open(std::string("a\0b", 3)), "'a\\x00b': no file has a NUL");
  EXPECT_HAS(refusal_to_open(std::string(5000, 'a')), "cannot be opened: File name too long");
  EXPECT_HAS(refusal_to_open("/dev/null"), "/dev/null: not a regular file");
}

TEST(File, DoesNotWaitForTheWriterOfAPipe) {
  const TempFolder folder;
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_HAS(refusal_to_open(pipe), "pipe: not a regular file");
}

TEST(File, NamesAFileThatMayNotBeRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempFolder folder;
  const fs::path path = folder.file("x.pt", "1");
  ::chmod(path.c_str(), 0);
  EXPECT_HAS(refusal_to_open(path), "x.pt: permission denied");
}

TEST(File, TellsWhereItEnds) {
  const TempFolder folder;
  const File file(folder.file("m.pt", std::string(120, 'x')));
  EXPECT_HAS(refusal([&] { file.read(100, 300); }),
             "m.pt: ends at byte 120, but 300 bytes are needed at 100");
  EXPECT_HAS(refusal([&] { file.read(121, 0); }), "ends at byte 120");
  EXPECT_HAS(refusal([&] { file.read(1, ~std::uint64_t{0}); }), "ends at byte 120");
  fs::resize_file(file.path(), 50);
  EXPECT_HAS(refusal([&] { file.read(0, 120); }), "m.pt: ends at byte 50, but 120 bytes");
}

TEST(File, StaysTheFileThatWasOpened) {
  const TempFolder folder;
  const File file(folder.file("a", "old"));
  fs::rename(folder.file("b", "newer"), folder / "a");
  EXPECT_EQ(file.read(0, file.size()), "old");
}

TEST(ByteSource, ChecksRangesInMemoryAndInFiles) {
  const TempFolder folder;
  const File file(folder.file("a.bin", "0123456789"));
  for (const ByteSource& source : {byte_source(file), byte_source("0123456789", "a.bin")}) {
    EXPECT_EQ(source.size, 10u);
    EXPECT_EQ(source.text(8, 2), "89");
    EXPECT_HAS(refusal([&] { source.text(8, 3); }),
               "a.bin: ends at byte 10, but 3 bytes are needed at 8");
    EXPECT_HAS(refusal([&] { source.text(~std::uint64_t{0}, 2); }), "ends at byte 10");
    std::string out(3, ' ');
    EXPECT_HAS(refusal([&] { source.read(8, out); }), "ends at byte 10");
  }
}

TEST(Text, QuotesNamesOnOneLine) {
  EXPECT_EQ(quote("a/b \xc3\xa4"), "'a/b \xc3\xa4'");
  EXPECT_EQ(quote("a\nb\x7f"), "'a\\x0ab\\x7f'");
  EXPECT_EQ(quote("\xc3(\xff"), "'\\xc3(\\xff'");
  EXPECT_EQ(quote(std::string(1000, 'a')).size(), 1 + 199 + 4u);
}

TEST(Text, KnowsUtf8) {
  for (const char* good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x9a\xa2"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\xff", "\xc3(", "\xe2(\xac"}) {
    EXPECT_FALSE(is_utf8(bad)) << quote(bad);
  }
}

TEST(AtomicFile, AppearsWholeWhenCommitted) {
  const TempFolder folder;
  const fs::path path = folder.file("out", "old");
  AtomicFile file(path);
  file.write("new");
  file.write("er");
  EXPECT_EQ(bytes_of_file(path), "old");
  file.commit();
  EXPECT_EQ(bytes_of_file(path), "newer");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, LeavesNothingBehindWhenDropped) {
  const TempFolder folder;
  const fs::path path = folder.file("out", "old");
  {
    AtomicFile(path).write("new");
  }
  EXPECT_EQ(bytes_of_file(path), "old");
  {
    AtomicFile(folder / "other").write("new");
  }
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, FollowsLinks) {
  const TempFolder folder;
  fs::create_directory(folder / "sub");
  folder.file("sub/target", "old");
  fs::create_symlink("sub/target", folder / "one");
  fs::create_symlink(folder / "one", folder / "two");
  EXPECT_EQ(refusal_to_write(folder / "two"), "");
  EXPECT_TRUE(fs::is_symlink(folder / "one"));
  EXPECT_EQ(bytes_of_file(folder / "sub/target"), "new");

  fs::create_symlink("sub/absent", folder / "dangling");
  EXPECT_EQ(refusal_to_write(folder / "dangling"), "");
  EXPECT_EQ(bytes_of_file(folder / "sub/absent"), "new");

  fs::create_symlink("loop", folder / "loop");
  EXPECT_HAS(refusal_to_write(folder / "loop"), "Too many levels of symbolic links");
}

TEST(AtomicFile, HasTheModeThatOpenWouldGive) {
  const TempFolder folder;
  const auto mode_of = [](const fs::path& path) {
    return static_cast<unsigned>(fs::status(path).permissions());
  };
  const mode_t before = ::umask(027);
  EXPECT_EQ(refusal_to_write(folder / "fresh"), "");
  const fs::path old = folder.file("old", "");
  ::chmod(old.c_str(), 0666);
  EXPECT_EQ(refusal_to_write(old), "");
  ::umask(before);
  EXPECT_EQ(mode_of(folder / "fresh"), 0640u);
  EXPECT_EQ(mode_of(old), 0666u);
}

TEST(AtomicFile, NamesWhatCannotBeWritten) {
  const TempFolder folder;
  EXPECT_HAS(refusal_to_write(folder / "x/out.npz"),
             "out.npz: no folder '" + (folder / "x").string() + "'");
  EXPECT_HAS(refusal_to_write(folder.path()), "is a folder, not a file");
  EXPECT_HAS(refusal_to_write(folder / ""), "is not the name of a file");
  EXPECT_HAS(refusal_to_write("/dev/null"), "/dev/null: not a regular file");
  EXPECT_HAS(refusal_to_write(folder.file("a", "") / "b"), "cannot be written: Not a directory");
}

TEST(AtomicFile, KeepsTheOldFileWhenTheDiskRefuses) {
  const TempFolder folder;
  const fs::path path = folder.file("out", "old");
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string said = refusal([&] { AtomicFile(path).write(std::string(2000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_HAS(said, "out: cannot be written: File too large");
  EXPECT_EQ(bytes_of_file(path), "old");
  EXPECT_EQ(files_in(folder), 1u);
}

}  // namespace
}  // namespace torchship
