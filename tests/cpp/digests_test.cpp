#include "manifest/digests.h"

#include <memory>
#include <string>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/model.h>

#include "archive/sha256.h"
#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using test::compressed;
using test::refusal;
using test::stored;
using test::TempFolder;
using test::zip_of;
using test::ZipRecord;

std::string sha256(std::string_view bytes) {
  Sha256 sum;
  sum.update(bytes);
  return sum.finish();
}

class DigestsTest : public testing::Test {
 protected:
  std::string verify(const std::vector<ZipRecord>& records, const Manifest& manifest) const {
    const auto path = folder_.file("a.zip", zip_of(records));
    return refusal([&] {
      const ZipReader zip(std::make_shared<const File>(path));
      require_listed(zip, "a/", manifest);
      verify_digests(zip, "a/", manifest);
    });
  }

  const std::string large_ = std::string(3'000'000, 'x');
  const Manifest manifest_ = [&] {
    Manifest manifest;
    manifest.records = {{"one", sha256(large_)}, {"two", sha256("")}};
    return manifest;
  }();
  const ZipRecord two_ = stored("a/two", "");
  TempFolder folder_;
};

TEST_F(DigestsTest, RightOnesPass) {
  const ZipRecord manifest = stored("a/extra/torchship/manifest.json", "{}");
  EXPECT_EQ(verify({stored("a/one", large_), two_, manifest}, manifest_), "");
  EXPECT_EQ(verify({compressed("a/one", large_), two_}, manifest_), "");
}

TEST_F(DigestsTest, OneChangedByteIsFound) {
  std::string changed = large_;
  changed[2'500'000] = 'y';
  for (const ZipRecord& record : {stored("a/one", changed), compressed("a/one", changed)}) {
    const std::string said = verify({record, two_}, manifest_);
    EXPECT_HAS(said, "record 'one' is damaged: its SHA-256 is not the one in the manifest");
    EXPECT_HAS(said, "copy or download it again");
  }
}

TEST_F(DigestsTest, RecordsMayBeNeitherMissingNorMore) {
  EXPECT_HAS(verify({two_}, manifest_), "record 'one' is missing");
  EXPECT_HAS(verify({stored("a/one", large_), two_, stored("a/three", "")}, manifest_),
             "record 'three' is not listed in the manifest");
}

TEST_F(DigestsTest, DigestsAloneSayWhatIsDamaged) {
  ZipRecord damaged = stored("a/one", large_);
  damaged.data[7] = 'y';
  EXPECT_HAS(verify({damaged, two_}, manifest_), "record 'one' is damaged: its SHA-256");
  ZipRecord wrong_sum = stored("a/one", large_);
  wrong_sum.crc ^= 1;
  EXPECT_EQ(verify({wrong_sum, two_}, manifest_), "");
}

/// Enough for several threads: 12 records of 1 to 2 MB, some of them deflated.
class ManyRecordsTest : public testing::TestWithParam<File::Access> {
 protected:
  ManyRecordsTest() {
    for (std::size_t i = 0; i < 12; ++i) {
      const std::string name = "r" + std::to_string(i);
      const std::string bytes(1'000'000 + 77'777 * i, static_cast<char>('a' + i));
      records_.push_back(i % 4 == 3 ? compressed("a/" + name, bytes) : stored("a/" + name, bytes));
      manifest_.records[name] = sha256(bytes);
    }
  }

  ZipReader zip() const {
    return ZipReader(
        std::make_shared<const File>(folder_.file("a.zip", zip_of(records_)), GetParam()));
  }
  std::string digests() const {
    return refusal([&] { verify_digests(zip(), "a/", manifest_); });
  }
  std::string sums() const {
    return refusal([&] { verify_sums(zip()); });
  }

  std::vector<ZipRecord> records_;
  Manifest manifest_;
  TempFolder folder_;
};

TEST_P(ManyRecordsTest, ABitOfTheLastOneIsFound) {
  EXPECT_EQ(digests(), "");
  EXPECT_EQ(sums(), "");
  records_[10].data.back() ^= 1;
  EXPECT_HAS(digests(), "record 'r10' is damaged: its SHA-256 is not the one in the manifest");
  EXPECT_HAS(sums(), "record 'a/r10' is damaged: its checksum does not match");
}

TEST_P(ManyRecordsTest, TheFirstBadOneOfTheFileIsNamed) {
  records_[2].data[5] ^= 1;
  records_[9].data[5] ^= 1;
  records_[10].data[5] ^= 1;
  for (int times = 0; times < 20; ++times) {
    EXPECT_HAS(digests(), "record 'r2' is damaged");
    EXPECT_HAS(sums(), "record 'a/r2' is damaged");
  }
}

INSTANTIATE_TEST_SUITE_P(Digests, ManyRecordsTest,
                         testing::Values(File::Access::read, File::Access::map));

/// A model whose weight's bytes are flipped in the file.
class DamagedModelTest : public testing::Test {
 protected:
  std::filesystem::path damaged(std::int64_t elements = 64) const {
    torch::jit::Module module("Net");
    module.register_parameter("weight", at::full({elements}, 1.25), false);
    module.define("def forward(self, x):\n  return x + self.weight\n");
    module.save((folder_ / "m.pt").string());
    std::string bytes = test::bytes_of_file(folder_ / "m.pt");
    const float weight = 1.25;
    const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&weight), 4));
    EXPECT_NE(at, std::string::npos);
    return folder_.file("m.pt", test::patched(bytes, at, 2.5f));
  }

  TempFolder folder_;
};

TEST_F(DamagedModelTest, IsRefusedUnlessVerificationIsOff) {
  const auto path = damaged();
  const std::string said = refusal([&] { Model model(path); });
  EXPECT_HAS(said, "data/0' is damaged");
  EXPECT_HAS(said, "copy or download it again");
  const Model model(path, {.verify = false});
  EXPECT_EQ(model({at::zeros({64})}).tensor()[0].item<float>(), 2.5);
}

TEST_F(DamagedModelTest, LargeOnesAreFoundBesideLoading) {
  const auto path = damaged(1 << 20);
  EXPECT_HAS(refusal([&] { Model model(path); }), "data/0' is damaged");
  EXPECT_HAS(refusal([&] { Model model(path, {.map = false}); }), "data/0' is damaged");
}

TEST_F(DamagedModelTest, DamageIsTheReasonWhereLoadingFailsAsWell) {
  const auto path = damaged(1 << 20);
  LoadOptions options;
  options.engine = "nonsense";
  EXPECT_HAS(refusal([&] { Model model(path, options); }), "data/0' is damaged");
}

TEST_F(DamagedModelTest, InfoReadsNoWeights) {
  EXPECT_EQ(read_info(damaged()).parameters.elements, 64);
}

// torch.serialization.set_crc32_options(False) leaves zeros in every record.
TEST(ZipSumsTest, AnArchiveWithoutSumsIsRead) {
  const TempFolder folder;
  ZipRecord one = stored("one", "1");
  ZipRecord two = compressed("two", "22");
  one.crc = two.crc = 0;
  const ZipReader zip(std::make_shared<const File>(folder.file("a.zip", zip_of({one, two}))));
  for (const ZipEntry& entry : zip.entries()) {
    std::string bytes;
    zip.stream(entry, [&](std::string_view piece) { bytes += piece; });
    EXPECT_EQ(bytes, zip.read(entry, 100));
  }
}

TEST(ZipSumsTest, OneMissingSumAmongOthersIsDamage) {
  const TempFolder folder;
  ZipRecord one = stored("one", "1");
  one.crc = 0;
  const ZipReader zip(std::make_shared<const File>(
      folder.file("a.zip", zip_of({one, stored("two", "22")}))));
  EXPECT_HAS(refusal([&] { zip.read(zip.entries()[0], 100); }), "'one' is damaged");
  EXPECT_HAS(refusal([&] { zip.stream(zip.entries()[0], [](std::string_view) {}); }), "'one'");
}

}  // namespace
}  // namespace torchship
