#include "verification.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <torchship/error.h>

namespace torchship {
namespace {

/// A damaged file that notes who compared it.
struct DamagedFile final : ModelFile {
  explicit DamagedFile(std::uint64_t bytes) : bytes(bytes) {}

  std::string name() const override { return "m.pt"; }
  std::uint64_t size() const override { return bytes; }
  void verify(bool digests) const override {
    asked_for_digests.push_back(digests);
    by = std::this_thread::get_id();
    throw ArchiveError("damaged");
  }
  ModelInfo info() const override { return {}; }
  std::vector<Sample> samples(const ModelInfo&) const override { return {}; }
  std::optional<Intermediates> intermediates(const ModelInfo&) const override { return {}; }
  std::unique_ptr<const Engine> load(const ModelInfo&, const LoadOptions&) const override {
    return nullptr;
  }
  const std::vector<CompiledRecord>& compiled() const override { return engines; }
  std::unique_ptr<const CompiledLibrary> load_compiled(const CompiledRecord&,
                                                       const LibraryUse&) const override {
    return nullptr;
  }
  std::vector<Finding> lint(const ModelInfo&, const LintOptions&) const override { return {}; }
  AuditReport audit() const override { return {}; }

  std::vector<CompiledRecord> engines;
  std::uint64_t bytes;
  mutable std::vector<bool> asked_for_digests;
  mutable std::thread::id by;
};

TEST(Verification, ComparesLargeFilesBesideLoading) {
  const DamagedFile file(10 << 20);
  Verification verification(file, {});
  EXPECT_THROW(verification.finish(), ArchiveError);
  EXPECT_EQ(file.asked_for_digests, std::vector<bool>{false});
  EXPECT_NE(file.by, std::this_thread::get_id());
}

TEST(Verification, ComparesSmallOnesInTheEnd) {
  const DamagedFile file(1000);
  Verification verification(file, {});
  EXPECT_TRUE(file.asked_for_digests.empty());
  EXPECT_THROW(verification.finish(), ArchiveError);
  EXPECT_EQ(file.by, std::this_thread::get_id());
}

TEST(Verification, ComparesDigestsBeforeAnythingIsLoaded) {
  const DamagedFile file(10 << 20);
  EXPECT_THROW(Verification(file, {.verify_digests = true}), ArchiveError);
  EXPECT_EQ(file.asked_for_digests, std::vector<bool>{true});
}

TEST(Verification, CanBeLeftOut) {
  const DamagedFile file(10 << 20);
  Verification verification(file, {.verify = false, .verify_digests = true});
  verification.finish();
  EXPECT_TRUE(file.asked_for_digests.empty());
}

}  // namespace
}  // namespace torchship
