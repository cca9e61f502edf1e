#include "archive/zip.h"

#include <limits>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "files/atomic_file.h"
#include "files/zip_writer.h"
#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using namespace test;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

class Zip : public ::testing::Test {
 protected:
  std::shared_ptr<const File> file(const std::string& bytes) {
    return std::make_shared<const File>(folder_.file("x.zip", bytes));
  }

  /// Reads all of a zip file.
  std::vector<std::pair<std::string, std::string>> contents(const std::string& bytes) {
    const ZipReader zip(file(bytes));
    std::vector<std::pair<std::string, std::string>> records;
    for (const ZipEntry& entry : zip.entries()) {
      records.emplace_back(entry.name, zip.read(entry, kNoLimit));
    }
    return records;
  }

  std::string refusal_of(const std::string& bytes) {
    return refusal([&] { contents(bytes); });
  }

  TempFolder folder_;
};

std::string long_text() {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i) + ' ';
  return text;
}

TEST(Crc32, KnowsTheStandardValuesAndGoesOn) {
  EXPECT_EQ(crc32(""), 0u);
  EXPECT_EQ(crc32("123456789"), 0xcbf43926u);
  EXPECT_EQ(crc32_portable("123456789"), 0xcbf43926u);
  const std::string text = long_text();
  for (std::size_t cut : {0, 1, 15, 16, 17, 1000}) {
    EXPECT_EQ(crc32(text.substr(cut), crc32(text.substr(0, cut))), crc32(text));
  }
}

TEST(Crc32, InstructionsAndTablesAgree) {
  std::mt19937 random(7);
  std::string bytes(4099, ' ');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (std::size_t size = 0; size < bytes.size(); size += size < 300 ? 1 : 97) {
    const std::string_view part = std::string_view(bytes).substr(size % 17, size);
    EXPECT_EQ(crc32(part, 0x12345678), crc32_portable(part, 0x12345678)) << size;
  }
}

TEST_F(Zip, ReadsStoredAndDeflatedRecordsInOrder) {
  const std::string text = long_text();
  const auto records =
      contents(zip_of({stored("b/1", "hello"), compressed("a", text), stored("empty", ""),
                       compressed("none", ""), stored("d/", ""), stored("\xc3\xa4", "x")}));
  ASSERT_EQ(records.size(), 6u);
  EXPECT_EQ(records[0], std::pair(std::string("b/1"), std::string("hello")));
  EXPECT_EQ(records[1], std::pair(std::string("a"), text));
  EXPECT_EQ(records[2].second, "");
  EXPECT_EQ(records[3].second, "");
  EXPECT_EQ(records[5].first, "\xc3\xa4");
}

TEST_F(Zip, FindsByName) {
  const ZipReader zip(file(zip_of({stored("a", "1"), stored("b", "22")})));
  ASSERT_NE(zip.find("b"), nullptr);
  EXPECT_EQ(zip.find("b")->size, 2u);
  EXPECT_EQ(zip.file().read(zip.data_offset(*zip.find("b")), 2), "22");
  EXPECT_EQ(zip.find("c"), nullptr);
  EXPECT_EQ(zip.find("A"), nullptr);
}

TEST_F(Zip, ReadsWhatPyTorchWrites) {
  ZipRecord record = stored("archive/data/0", "0123456789");
  record.flags = 0x0800;
  record.sizes_later = true;
  record.local_extra = std::string("FB\x10\x00", 4) + std::string(16, 'Z');
  const std::string bytes = zip_of({record});
  EXPECT_EQ(contents(bytes)[0].second, "0123456789");
  const ZipReader zip(file(bytes));
  EXPECT_EQ(zip.data_offset(zip.entries()[0]) % 64, 0u);
  EXPECT_HAS(refusal_of(patched(bytes, 18, 5u)), "has other sizes in its own header");
}

TEST_F(Zip, ReadsZip64) {
  ZipRecord record = stored("a", "0123456789");
  record.extra = packed(std::uint16_t{9}, std::uint16_t{1}) + "x" +
                 packed(std::uint16_t{1}, std::uint16_t{16}, std::uint64_t{10}, std::uint64_t{10});
  record.local_extra =
      packed(std::uint16_t{1}, std::uint16_t{16}, std::uint64_t{10}, std::uint64_t{10});
  std::string bytes = zip_of({record}, /*zip64=*/true);
  const std::size_t entry = bytes.rfind("PK\x01\x02");
  bytes = patched(patched(bytes, entry + 20, ~0u), entry + 24, ~0u);
  bytes = patched(patched(bytes, 18, ~0u), 22, ~0u);
  EXPECT_EQ(contents(bytes)[0].second, "0123456789");

  EXPECT_HAS(refusal_of(patched(bytes, 35, std::uint64_t{11})),
             "has other sizes in its own header");
  const std::size_t extra = bytes.rfind("PK\x06\x06") - 20;
  EXPECT_HAS(refusal_of(patched(bytes, extra, std::uint16_t{7})), "lacks its zip64 sizes");
  const std::size_t end = bytes.rfind("PK\x06\x06");
  EXPECT_HAS(refusal_of(patched(bytes, end + 4, std::uint64_t{45})),
             "is not where its locator says");
  EXPECT_HAS(refusal_of(patched(bytes, end + 24, std::uint64_t{2})), "several disks");
  EXPECT_HAS(refusal_of(patched(bytes, end + 40, ~std::uint64_t{0})), "does not end where");
  EXPECT_HAS(refusal_of(patched(bytes, end + 56 + 8, ~std::uint64_t{0})), "locator");
  EXPECT_HAS(refusal_of(patched(bytes, end + 56 + 20 + 10, std::uint16_t{2})), "disks");
  EXPECT_HAS(refusal_of(patched(bytes, end + 56 + 20 + 12, 7u)), "contradict each other");
}

TEST_F(Zip, AllowsACommentAndNothingElseBehindTheEnd) {
  const std::string bytes = zip_of({stored("a", "1")});
  const auto with_comment = [&](std::size_t announced, std::size_t present) {
    return patched(bytes, bytes.size() - 2, static_cast<std::uint16_t>(announced)) +
           std::string(present, 'c');
  };
  EXPECT_EQ(refusal_of(with_comment(65535, 65535)), "");
  EXPECT_EQ(refusal_of(with_comment(3, 3)), "");
  EXPECT_HAS(refusal_of(with_comment(3, 4)), "no end record");
  EXPECT_HAS(refusal_of(with_comment(0, 4)), "no end record");
  EXPECT_HAS(refusal_of("x" + bytes), "does not end where its end record begins");
}

TEST_F(Zip, RecognisesByTheEndRecord) {
  EXPECT_TRUE(ZipReader::recognises(*file(zip_of({}))));
  EXPECT_TRUE(ZipReader::recognises(*file(zip_of({stored("a", "1")}))));
  EXPECT_FALSE(ZipReader::recognises(*file("")));
  EXPECT_FALSE(ZipReader::recognises(*file("PK\x05\x06")));
  EXPECT_FALSE(ZipReader::recognises(*file(std::string(100000, 'x'))));
  EXPECT_TRUE(contents(zip_of({})).empty());
}

TEST_F(Zip, RefusesLargeRecordsBeforeReadingThem) {
  const std::string text = long_text();
  const ZipReader zip(file(zip_of({compressed("a", text)})));
  EXPECT_EQ(zip.read(zip.entries()[0], text.size()), text);
  EXPECT_HAS(refusal([&] { zip.read(zip.entries()[0], text.size() - 1); }),
             "x.zip: record 'a' holds " + std::to_string(text.size()) + " bytes, more than the");
}

TEST_F(Zip, RefusesNamesMadeToDeceive) {
  const auto named = [&](const std::string& name) {
    return refusal_of(zip_of({stored(name, "1")}));
  };
  EXPECT_HAS(named("/etc/passwd"), "record '/etc/passwd' has an absolute name");
  EXPECT_HAS(named("a/../b"), "has '..' in its name");
  EXPECT_HAS(named(".."), "has '..' in its name");
  EXPECT_HAS(named("a/.."), "has '..' in its name");
  EXPECT_HAS(named("a\\b"), "has a backslash in its name");
  EXPECT_HAS(named(std::string("a\0b", 3)), "record 'a\\x00b' has a control character");
  EXPECT_HAS(named("a\nb"), "record 'a\\x0ab' has a control character");
  EXPECT_HAS(named("a\xff"), "record 'a\\xff' has a name that is not UTF-8");
  EXPECT_HAS(named("\xed\xa0\x80"), "not UTF-8");
  EXPECT_HAS(named(""), "has no name");
  EXPECT_EQ(named("a..b/...c"), "");
}

TEST_F(Zip, RefusesRecordsItCannotRead) {
  ZipRecord record = stored("a", "1");
  record.flags = 1;
  EXPECT_HAS(refusal_of(zip_of({record})), "record 'a' is encrypted");
  record = stored("a", "1");
  record.method = 12;
  EXPECT_HAS(refusal_of(zip_of({record})), "is compressed with method 12");
  record = stored("a", "1");
  record.size = 2;
  EXPECT_HAS(refusal_of(zip_of({record})), "is stored, but has two different sizes");
  record = compressed("a", "1");
  record.size = 1'000'000;
  EXPECT_HAS(refusal_of(zip_of({record})), "claims more bytes than its data can hold");
  for (const std::uint32_t size : {0u, 4u, 6u, 300u}) {
    record = compressed("a", "12345");
    record.size = size;
    EXPECT_HAS(refusal_of(zip_of({record})), "does not inflate to " + std::to_string(size));
  }
}

TEST_F(Zip, RefusesContradictionsBetweenHeaders) {
  EXPECT_HAS(refusal_of(zip_of({stored("a", "1"), stored("a", "2")})), "record 'a' occurs twice");
  ZipRecord record = stored("a", "1");
  record.local_name = "b";
  EXPECT_HAS(refusal_of(zip_of({record})), "record 'a' has another name in its own header");
  record.local_name = "aa";
  EXPECT_HAS(refusal_of(zip_of({record})), "is not where the zip directory says");

  const std::string bytes = zip_of({stored("a", "12"), stored("b", "34")});
  EXPECT_HAS(refusal_of(patched(bytes, 14, 5u)), "has other sizes in its own header");
  EXPECT_HAS(refusal_of(patched(bytes, 18, 0u)), "has other sizes in its own header");
  EXPECT_HAS(refusal_of(patched(bytes, 22, ~0u)), "has other sizes in its own header");
  EXPECT_HAS(refusal_of(patched(bytes, 6, std::uint16_t{1})), "is encrypted");
  EXPECT_HAS(refusal_of(patched(bytes, 8, std::uint16_t{8})), "is not where the zip directory");
  EXPECT_HAS(refusal_of(patched(bytes, 0, 0u)), "is not where the zip directory says");
}

TEST_F(Zip, RefusesADirectoryThatDoesNotFit) {
  const std::string bytes = zip_of({stored("a", "12"), stored("b", "34")});
  const std::size_t end = bytes.size() - 22;
  const std::size_t entry = bytes.find("PK\x01\x02");
  const auto with_count = [&](std::uint16_t count) {
    return patched(patched(bytes, end + 8, count), end + 10, count);
  };
  EXPECT_HAS(refusal_of(with_count(1)), "does not hold 1 records");
  EXPECT_HAS(refusal_of(with_count(3)), "is too short for 3 records");
  EXPECT_HAS(refusal_of(patched(bytes, end + 4, 1u)), "several disks");
  EXPECT_HAS(refusal_of(patched(bytes, end + 12, 1u)), "does not end where");
  EXPECT_HAS(refusal_of(patched(bytes, end + 16, ~0u - 1)), "does not end where");
  EXPECT_HAS(refusal_of(patched(bytes, entry, 0u)), "its zip directory is damaged");
  EXPECT_HAS(refusal_of(patched(bytes, entry + 28, std::uint16_t{999})), "directory is damaged");
  EXPECT_HAS(refusal_of(patched(bytes, entry + 32, std::uint16_t{999})), "directory is damaged");
  EXPECT_HAS(refusal_of(patched(bytes, entry + 34, std::uint16_t{1})), "lies on another disk");
  EXPECT_HAS(refusal_of(patched(bytes, entry + 42, 0x7fffffffu)), "bytes are needed at");
}

TEST_F(Zip, RefusesRecordsThatOverlap) {
  const std::string inner = zip_of({stored("b", "34")});
  const std::string local = inner.substr(0, 30 + 1 + 2);
  // The second record lies inside the data of the first.
  std::string bytes = zip_of({stored("a", "xx" + local), stored("b", "34")});
  const std::size_t second = bytes.rfind("PK\x01\x02");
  bytes = patched(bytes, second + 42, 33u);
  EXPECT_HAS(refusal_of(bytes), "record 'a' overlaps 'b'");

  bytes = zip_of({stored("a", "12")});
  const std::size_t entry = bytes.find("PK\x01\x02");
  bytes = patched(patched(bytes, entry + 20, 9u), entry + 24, 9u);
  bytes = patched(patched(bytes, 18, 9u), 22, 9u);
  EXPECT_HAS(refusal_of(bytes), "record 'a' runs into the zip directory");
}

TEST_F(Zip, NoticesDamagedData) {
  std::string bytes = zip_of({stored("a", "12345")});
  bytes[32] ^= 1;
  EXPECT_HAS(refusal_of(bytes), "record 'a' is damaged: its checksum does not match");
  bytes = zip_of({compressed("a", long_text())});
  bytes[31] ^= 7;
  EXPECT_HAS(refusal_of(bytes), "x.zip: record 'a' ");
}

TEST_F(Zip, RefusesEveryFileCutShort) {
  const std::string bytes = zip_of({stored("a", "12345"), compressed("b", long_text())}, true);
  for (std::size_t length = 0; length < bytes.size(); length += length < 200 ? 1 : 97) {
    EXPECT_NE(refusal_of(bytes.substr(0, length)), "") << length;
    EXPECT_NE(refusal_of(bytes.substr(bytes.size() - length)), "") << length;
  }
}

TEST_F(Zip, SurvivesRandomDamage) {
  ZipRecord record = stored("c", "0123456789");
  record.sizes_later = true;
  const std::vector<ZipRecord> records = {stored("a", "12345"),
                                          compressed("b/b", long_text().substr(0, 300)), record};
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string bytes = mutated(zip_of(records, i % 2 == 0), random);
    refused += refusal_of(bytes).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 3000);
}

TEST_F(Zip, IsReadByManyThreads) {
  const std::string text = long_text();
  const ZipReader zip(file(zip_of({stored("a", text), compressed("b", text)})));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (const ZipEntry& entry : zip.entries()) EXPECT_EQ(zip.read(entry, kNoLimit), text);
    });
  }
}

TEST_F(Zip, ReadsWhatTheWriterWrites) {
  AtomicFile out(folder_ / "written.zip");
  ZipWriter writer(out);
  writer.add("a", {"12", "", "345"});
  writer.add("\xc3\xa4/b", {});
  EXPECT_HAS(refusal([&] { writer.add("../a", {}); }), "written.zip: record '../a' has '..'");
  EXPECT_HAS(refusal([&] { writer.add(std::string(70000, 'a'), {}); }), "has too long a name");
  writer.finish();
  out.commit();
  const auto records = contents(bytes_of_file(folder_ / "written.zip"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0], std::pair(std::string("a"), std::string("12345")));
  EXPECT_EQ(records[1], std::pair(std::string("\xc3\xa4/b"), std::string()));
}

TEST_F(Zip, WritesMoreRecordsThan16BitsCount) {
  AtomicFile out(folder_ / "many.zip");
  ZipWriter writer(out);
  for (int i = 0; i < 70000; ++i) writer.add(std::to_string(i), {});
  writer.finish();
  out.commit();
  const ZipReader zip(std::make_shared<const File>(folder_ / "many.zip"));
  EXPECT_EQ(zip.entries().size(), 70000u);
}

}  // namespace
}  // namespace torchship
