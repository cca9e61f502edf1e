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
      verify_digests(ZipReader(std::make_shared<const File>(path)), "a/", manifest);
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

TEST_F(DigestsTest, ChecksumsOfTheZipAreComparedToo) {
  ZipRecord damaged = stored("a/one", large_);
  damaged.data[7] = 'y';
  EXPECT_HAS(verify({damaged, two_}, manifest_), "record 'a/one' is damaged");
}

/// A model whose weight's bytes are flipped in the file.
class DamagedModelTest : public testing::Test {
 protected:
  std::filesystem::path damaged() const {
    torch::jit::Module module("Net");
    module.register_parameter("weight", at::full({64}, 1.25), false);
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
