#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "archive/file.h"
#include "archive/zip.h"
#include "audit/audit.h"
#include "audit/native.h"
#include "audit/operator_names.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using test::compressed;
using test::stored;
using test::zip_of;

class AuditTest : public ::testing::Test {
 protected:
  ZipReader open(const std::string& bytes) {
    const auto path = std::filesystem::path(::testing::TempDir()) / "audit_test.zip";
    std::ofstream(path, std::ios::binary) << bytes;
    return ZipReader(std::make_shared<const File>(path));
  }

  std::string codes(const std::string& bytes) {
    AuditReport report;
    audit_zip(open(bytes), report);
    std::string text;
    for (const Finding& found : report.findings()) text += found.code + "@" + found.place + " ";
    return text;
  }
};

TEST_F(AuditTest, PlainFilesPass) {
  EXPECT_EQ(codes(zip_of({stored("a/x", "1"), compressed("a/y", std::string(1000, 'y'))})), "");
  EXPECT_EQ(codes(zip_of({stored("a/x", "1"), stored("a/y", "2")}, /*zip64=*/true)), "");
}

TEST_F(AuditTest, DescriptorsBelongToTheirRecords) {
  test::ZipRecord later = stored("a/x", "1");
  later.sizes_later = true;
  EXPECT_EQ(codes(zip_of({later, stored("a/y", "2")})), "");
}

TEST_F(AuditTest, PaddingMustBeBlank) {
  test::ZipRecord padded = stored("a/x", "1");
  padded.local_extra = std::string("FB\4\0ZZZZ", 8);
  EXPECT_EQ(codes(zip_of({padded})), "");
  padded.local_extra = std::string("FB\4\0hide", 8);
  EXPECT_EQ(codes(zip_of({padded})), "audit-zip@a/x ");
}

TEST_F(AuditTest, FlagsOfOthers) {
  test::ZipRecord odd = stored("a/x", "1");
  odd.flags = 1u << 5;
  EXPECT_EQ(codes(zip_of({odd})), "audit-zip@a/x ");
}

TEST_F(AuditTest, Bombs) {
  const std::string zeros(32 << 20, '\0');
  EXPECT_EQ(codes(zip_of({compressed("a/x", zeros)})), "audit-zip-bomb@a/x ");
  std::vector<test::ZipRecord> many;
  for (int i = 0; i < 9; ++i) many.push_back(compressed("a/" + std::to_string(i), zeros.substr(0, 8 << 20)));
  EXPECT_EQ(codes(zip_of(many)), "audit-zip-bomb@ ");
}

TEST_F(AuditTest, PackagesByWhatTheyBring) {
  const auto package = [&](const std::string& name) {
    return describe(native_package(open(zip_of({stored("p/data/aotinductor/model/" + name, "1")}))));
  };
  EXPECT_NE(package("m.so").find("native code"), std::string::npos);
  EXPECT_NE(package("m.cpp").find("start a compiler"), std::string::npos);
  EXPECT_FALSE(native_package(open(zip_of({stored("p/data.pkl", "1")}))).is_package);
}

TEST(OperatorNames, OneOverloadOrAll) {
  EXPECT_TRUE(may_be_called("aten::add", "Tensor"));
  EXPECT_TRUE(may_be_called("aten::repeat_interleave"));
  EXPECT_TRUE(may_be_called("aten::repeat_interleave", "self_int"));
  EXPECT_FALSE(may_be_called("aten::repeat_interleave", "self_Tensor"));
  for (const char* name : {"aten::from_file", "aten::as_strided", "aten::set_", "other::add", ""}) {
    EXPECT_FALSE(may_be_called(name)) << name;
  }
}

}  // namespace
}  // namespace torchship
