#include <torchship/lint.h>

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <torchship/error.h>

#include "lint/hit.h"
#include "lint/libraries.h"
#include "torchscript/debug_ranges.h"
#include "torchscript/text_guard.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

TEST(Severity, IsOrdered) {
  EXPECT_TRUE(at_least("error", "warning"));
  EXPECT_TRUE(at_least("warning", "warning"));
  EXPECT_FALSE(at_least("note", "warning"));
  EXPECT_TRUE(at_least("note", "note"));
  EXPECT_FALSE(at_least("warning", "error"));
}

TEST(PlainClass, HasNoNumbersOfCopies) {
  EXPECT_EQ(plain_class("__torch__.a.___torch_mangle_12.Net"), "__torch__.a.Net");
  EXPECT_EQ(plain_class("__torch__.___torch_mangle_1.a.___torch_mangle_2.Net"), "__torch__.a.Net");
  EXPECT_EQ(plain_class("__torch__.Net"), "__torch__.Net");
  EXPECT_EQ(plain_class("___torch_mangle_1"), "");
}

TEST(Libraries, AreKnownByTheStartOfAName) {
  EXPECT_EQ(library_of("torchvision::nms"), "torchvision");
  EXPECT_EQ(library_of("torch_scatter::scatter_max"), "torch-scatter");
  EXPECT_EQ(library_of("torch.classes.fbgemm.AtomicCounter"), "fbgemm-gpu");
  EXPECT_EQ(library_of("my::own"), "");
}

Hit at(const std::string& place, const std::string& message, std::int64_t line) {
  Hit made = hit(make_finding("random", "warning", message, "", place));
  made.finding.file = "net.py";
  made.finding.line = line;
  return made;
}

TEST(Merge, MakesOneFindingOfThoseAlike) {
  const auto findings = merge({at("a", "draws", 3), at("b", "draws", 3), at("c", "draws", 4)});
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].place, "a");
  EXPECT_EQ(findings[0].message, "draws; the same in 2 places");
  EXPECT_EQ(findings[1].message, "draws");
}

void guard(const std::string& body) {
  const std::string code = "def f(x: Tensor) -> str:\n" + body + "  return a\n";
  refuse_growing_texts(std::make_shared<jit::Source>(code), "m.pt: code/f.py");
}

std::string repeated(const std::string& line, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += line;
  return text;
}

TEST(TextGuard, RefusesTextsThatGrowWithoutEnd) {
  for (const char* line : {"  a = a + a\n", "  a += a\n", "  a = torch.add(a, a)\n",
                           "  a = \"{}{}\".format(a, a)\n", "  a = a.replace(\"a\", a)\n",
                           "  a = \"%s%s\" % (a, a)\n", "  b = a + a\n  a = b\n"}) {
    EXPECT_THROW(guard("  a = \"aaaa\"\n" + repeated(line, 40)), ArchiveError) << line;
  }
  EXPECT_THROW(guard("  a = \"a\".ljust(100000000)\n"), ArchiveError);
  EXPECT_THROW(guard("  n = 100000000\n  a = \"a\".zfill(n)\n"), ArchiveError);
}

TEST(TextGuard, LetsNumbersTensorsAndMessagesBe) {
  EXPECT_NO_THROW(guard("  a = torch.norm(x, \"fro\")\n" + repeated("  a = torch.add(a, a)\n", 99)));
  EXPECT_NO_THROW(guard("  a = x\n" + repeated("  a = a + a\n", 99)));
  EXPECT_NO_THROW(guard("  a = torch.format(\"expected {}, got {}\", 3, torch.size(x))\n"));
  EXPECT_NO_THROW(guard("  a = torch.format(\"" + std::string(9000, 'a') + "\", 3)\n"));
  EXPECT_NO_THROW(guard("  a = \"1\".zfill(8)\n"));
}

/// ((5, (("first\nsecond", "net.py", 7), start, end)),) as PyTorch wrote it before 1.10.
std::string old_ranges(char start, char end) {
  using namespace std::string_literals;
  return "\x80\x02K\x05X\x0c\0\0\0first\nsecondX\x06\0\0\0net.pyK\x07\x87K"s + start + "K" + end +
         "\x87\x86\x85."s;
}

TEST(DebugRanges, LeadToTheUsersSource) {
  const auto ranges = read_debug_ranges(old_ranges(6, 12), "m.pt");
  const auto code = std::make_shared<jit::Source>("0123456789");
  EXPECT_FALSE(ranges->findSourceRangeThatGenerated(jit::SourceRange(code, 4, 5)));
  const auto found = ranges->findSourceRangeThatGenerated(jit::SourceRange(code, 8, 9));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->text().str(), "second");
  EXPECT_EQ(std::get<1>(*found->file_line_col()), 8U);
  EXPECT_EQ(std::get<0>(*found->file_line_col()), "net.py");
}

TEST(DebugRanges, AreCutToTheTextThatThereIs) {
  const auto code = std::make_shared<jit::Source>("0123456789");
  for (const auto& [start, end] : {std::pair('\x06', '\x7f'), std::pair('\x70', '\x7f')}) {
    const auto ranges = read_debug_ranges(old_ranges(start, end), "m.pt");
    const auto found = ranges->findSourceRangeThatGenerated(jit::SourceRange(code, 8, 9));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->end(), 12U);
    EXPECT_LE(found->start(), 12U);
  }
}

}  // namespace
}  // namespace torchship
