#include "torchscript/guard.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <torch/csrc/jit/api/compilation_unit.h>

#include "test_files.h"
#include "torchscript/conform.h"
#include "torchscript/nesting.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using test::refusal;

std::string text(const std::string& value) {
  return "X" + little_bytes(static_cast<std::uint32_t>(value.size())) + value;
}

std::string integer(std::int64_t value) {
  return std::string("\x8a\x08") + little_bytes(static_cast<std::uint64_t>(value));
}

std::string tuple(std::initializer_list<std::int64_t> values) {
  std::string pickle = "(";
  for (const std::int64_t value : values) pickle += integer(value);
  return pickle + "t";
}

std::string storage(std::int64_t elements, const std::string& type = "FloatStorage") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text("0") + text("cpu") +
         integer(elements) + "tQ";
}

std::string tensor(const std::string& storage, std::int64_t offset, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(offset) + sizes + strides +
         "\x89" "ccollections\nOrderedDict\n)RtR";
}

/// A module with one attribute; the record data/0 has room for four floats.
std::string module_of(const std::string& value) {
  return "\x80\x02" "c__torch__\nNet\n)\x81}(" + text("x") + value + "ub.";
}

std::string guarded(const std::string& data, const std::string& code = "",
                    const std::string& positions = "\x80\x02).") {
  const test::TempFolder folder;
  const auto path = folder.file(
      "net.pt", test::zip_of({test::stored("net/data.pkl", data),
                              test::stored("net/constants.pkl", "\x80\x02)."),
                              test::stored("net/data/0", std::string(16, '\0')),
                              test::stored("net/code/__torch__.py", code),
                              test::stored("net/code/__torch__.py.debug_pkl", positions),
                              test::stored("net/version", "3\n")}));
  const TorchScriptFile file(ZipReader(std::make_shared<const File>(path)), "net/");
  return refusal([&] { guard_torchscript(file); });
}

std::string guarded_tensor(const std::string& storage, std::int64_t offset,
                           const std::string& sizes, const std::string& strides) {
  return guarded(module_of(tensor(storage, offset, sizes, strides)));
}

TEST(Guard, LetsTensorsPassThatFitTheirStorage) {
  EXPECT_EQ(guarded_tensor(storage(4), 0, tuple({2, 2}), tuple({2, 1})), "");
  EXPECT_EQ(guarded_tensor(storage(4), 3, tuple({1}), tuple({1})), "");
  EXPECT_EQ(guarded_tensor(storage(4), 0, tuple({100}), tuple({0})), "");
  EXPECT_EQ(guarded_tensor(storage(0), 0, tuple({0, 5}), tuple({5, 1})), "");
}

TEST(Guard, RefusesTensorsBeyondTheirStorage) {
  EXPECT_HAS(guarded_tensor(storage(4), 1, tuple({2, 2}), tuple({2, 1})), "data.pkl: a tensor");
  EXPECT_HAS(guarded_tensor(storage(4), -1, tuple({1}), tuple({1})), "beyond its storage");
  EXPECT_HAS(guarded_tensor(storage(4), 0, tuple({-1}), tuple({1})), "beyond its storage");
  EXPECT_HAS(guarded_tensor(storage(4), 0, tuple({2}), tuple({-1})), "beyond its storage");
  EXPECT_HAS(guarded_tensor(storage(4), 0, tuple({2, 2}), tuple({1})), "beyond its storage");
  EXPECT_HAS(guarded_tensor(storage(4), 0, tuple({INT64_MAX, 4}), tuple({4, 1})), "beyond");
  EXPECT_HAS(guarded_tensor(storage(0), 0, tuple({1}), tuple({1})), "beyond its storage");
}

TEST(Guard, RefusesStoragesThatTheirRecordDoesNotFill) {
  EXPECT_HAS(guarded_tensor(storage(5), 0, tuple({1}), tuple({1})), "which has 16");
  EXPECT_HAS(guarded_tensor(storage(-1), 0, tuple({0}), tuple({1})), "-1 elements");
  EXPECT_HAS(guarded_tensor(storage(INT64_MAX), 0, tuple({1}), tuple({1})), "elements");
  EXPECT_HAS(guarded_tensor(storage(4, "SoftStorage"), 0, tuple({1}), tuple({1})), "SoftStorage");
}

TEST(Guard, RefusesCallsOfAnythingElse) {
  EXPECT_HAS(guarded(module_of("cos\nsystem\n(" + text("true") + "tR")), "'os system'");
  EXPECT_HAS(guarded(module_of(integer(1) + ")R")), "no function");
  EXPECT_HAS(guarded(module_of("ctorch\nFloatStorage\n)R")), "no function");
}

TEST(Guard, RefusesDictsThatAreNone) {
  EXPECT_HAS(guarded(module_of("}(" + text("a") + "u")), "key without a value");
  EXPECT_HAS(guarded(module_of("}(" ")" + text("a") + "u")), "container for a key");
}

TEST(Guard, RefusesCodeThatIsNestedTooDeep) {
  const std::string open(3000, '(');
  EXPECT_HAS(guarded(module_of("N"), "x = " + open), "nested deeper");
  std::string minus = "x = ";
  std::string sum = "x = f(a, b)";
  std::string blocks;
  for (int i = 0; i < 3000; ++i) {
    minus += "- ";
    sum += " + f(a, b)";
    if (i < 600) blocks += std::string(static_cast<std::size_t>(i), ' ') + "if x:\n";
  }
  EXPECT_HAS(refusal([&] { refuse_deep_nesting(minus + "1\n", "net.pt"); }), "nested deeper");
  EXPECT_HAS(refusal([&] { refuse_deep_nesting(sum + "\n", "net.pt"); }), "nested deeper");
  EXPECT_HAS(refusal([&] { refuse_deep_nesting(blocks, "net.pt"); }), "nested deeper");
}

TEST(Guard, LongListsAreNotDeep) {
  std::string list = "x = [";
  for (int i = 0; i < 5000; ++i) list += "f(a, b), ";
  EXPECT_EQ(refusal([&] { refuse_deep_nesting(list + "]\n", "net.pt"); }), "");
}

TEST(Guard, RefusesSourcePositionsThatLeadNowhere) {
  const auto positions = [](std::int64_t index, std::int64_t end) {
    return "\x80\x02" + text("FORMAT_WITH_STRING_TABLE") + "(" + text("def f(): pass") +
           "t((" + integer(0) + "((" "ctorch.jit._pickle\nbuild_intlist\n(](" + integer(index) +
           "etR" + integer(0) + integer(1) + "t" + integer(0) + integer(end) + "t" + integer(0) +
           "tt\x87.";
  };
  EXPECT_EQ(guarded(module_of("N"), "", positions(0, 5)), "");
  EXPECT_HAS(guarded(module_of("N"), "", positions(1, 5)), "lead nowhere");
  EXPECT_HAS(guarded(module_of("N"), "", positions(0, 50)), "lead nowhere");
}

TEST(Conform, FindsObjectsThatAreNotWhatTheirClassDeclares) {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  const auto part = c10::ClassType::create("__torch__.Part", unit, /*is_module=*/true);
  part->addAttribute("a", c10::IntType::get());
  const auto other = c10::ClassType::create("__torch__.Other", unit, /*is_module=*/true);
  const auto whole = c10::ClassType::create("__torch__.Whole", unit, /*is_module=*/true);
  whole->addAttribute("part", part);
  whole->addAttribute("pair", c10::TupleType::create({c10::IntType::get(), part}));
  const auto object = c10::ivalue::Object::create(c10::StrongTypePtr(unit, whole), 2);
  const auto good = c10::ivalue::Object::create(c10::StrongTypePtr(unit, part), 1);
  const auto bad = c10::ivalue::Object::create(c10::StrongTypePtr(unit, other), 0);
  const auto check = [&](const c10::IValue& part, const c10::IValue& pair) {
    object->setSlot(0, part);
    object->setSlot(1, pair);
    return refusal([&] { require_conforming(object, "net.pt"); });
  };
  EXPECT_EQ(check(good, c10::ivalue::Tuple::create({1, good})), "");
  EXPECT_HAS(check(bad, c10::ivalue::Tuple::create({1, good})), "attribute 'part'");
  EXPECT_HAS(check(good, c10::ivalue::Tuple::create({1, bad})), "attribute 'pair'");
  EXPECT_HAS(check(good, c10::ivalue::Tuple::create({1})), "attribute 'pair'");
}

}  // namespace
}  // namespace torchship
