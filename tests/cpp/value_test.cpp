#include <torchship/value.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torchship/error.h>

#include "object.h"
#include "test_files.h"

namespace torchship {
namespace {

using namespace std::string_literals;

/// What the SignatureError said that `action` threw; empty if it threw nothing.
template <typename Action>
std::string complaint(Action&& action) {
  try {
    action();
  } catch (const SignatureError& error) {
    return error.message();
  }
  return {};
}

Value object_of(const std::string& type) {
  return Value(std::make_shared<const Value::Object>(type));
}

TEST(Value, HoldsEachKind) {
  EXPECT_EQ(Value().kind(), Kind::none);
  EXPECT_TRUE(Value().is_none());
  EXPECT_TRUE(Value(at::ones({2})).is_tensor());
  EXPECT_TRUE(Value(at::ones({2})).tensor().equal(at::ones({2})));
  EXPECT_EQ(Value(true).kind(), Kind::boolean);
  EXPECT_TRUE(Value(true).boolean());
  EXPECT_EQ(Value(7).kind(), Kind::integer);
  EXPECT_EQ(Value(std::int64_t{-7}).integer(), -7);
  EXPECT_EQ(Value(std::uint8_t{7}).integer(), 7);
  EXPECT_EQ(Value(0.5).kind(), Kind::floating);
  EXPECT_EQ(Value(0.5).floating(), 0.5);
  EXPECT_EQ(Value(std::complex<double>(1, 2)).complex(), std::complex<double>(1, 2));
  EXPECT_EQ(Value(std::complex<double>(1, 2)).kind(), Kind::complex);
  EXPECT_EQ(Value("text").string(), "text");
  EXPECT_EQ(Value("text"s).kind(), Kind::string);
  EXPECT_EQ(Value(std::string_view("text")).string(), "text");
  EXPECT_EQ(Value::list({}).kind(), Kind::list);
  EXPECT_EQ(Value::tuple({}).kind(), Kind::tuple);
  EXPECT_EQ(Value::dict({}).kind(), Kind::dict);
  EXPECT_EQ(object_of("__torch__.State").kind(), Kind::object);
  EXPECT_EQ(object_of("__torch__.State").object()->type_name, "__torch__.State");
}

TEST(Value, RefusesToBeReadAsAnotherKind) {
  const Value five(5);
  EXPECT_EQ(complaint([&] { five.tensor(); }), "expected a value of kind tensor, got int 5");
  EXPECT_EQ(complaint([&] { five.boolean(); }), "expected a value of kind bool, got int 5");
  EXPECT_EQ(complaint([&] { five.floating(); }), "expected a value of kind float, got int 5");
  EXPECT_EQ(complaint([&] { five.complex(); }), "expected a value of kind complex, got int 5");
  EXPECT_EQ(complaint([&] { five.string(); }), "expected a value of kind str, got int 5");
  EXPECT_EQ(complaint([&] { five.entries(); }), "expected a value of kind dict, got int 5");
  EXPECT_EQ(complaint([&] { five.object(); }), "expected a value of kind object, got int 5");
  EXPECT_EQ(complaint([&] { five.items(); }), "expected a value of kind list, got int 5");
  EXPECT_EQ(complaint([&] { five.names(); }), "expected a value of kind tuple, got int 5");
  EXPECT_EQ(complaint([&] { Value(true).integer(); }),
            "expected a value of kind int, got bool True");
  EXPECT_EQ(complaint([] { Value().tensor(); }), "expected a value of kind tensor, got None");
}

TEST(Value, ListsAndTuplesHaveItems) {
  for (const Value& value : {Value::list({1, "two"}), Value::tuple({1, "two"})}) {
    EXPECT_EQ(value.size(), 2u);
    EXPECT_EQ(value[0].integer(), 1);
    EXPECT_EQ(value[1].string(), "two");
    EXPECT_EQ(value.items().size(), 2u);
  }
  EXPECT_EQ(complaint([] { Value::list({1})[1]; }), "item 1 was asked of a list of 1 item");
  EXPECT_EQ(complaint([] { Value::tuple({})[0]; }), "item 0 was asked of a tuple of 0 items");
  EXPECT_NE(complaint([] { Value(1)[std::size_t{0}]; }), "");
}

TEST(Value, DictsAreReadByKey) {
  const Value value = Value::dict({{"b", 1}, {"a", 2}, {3, "three"}});
  EXPECT_EQ(value.size(), 3u);
  EXPECT_EQ(value["a"].integer(), 2);
  EXPECT_EQ(value.entries()[0].first.string(), "b");
  EXPECT_EQ(value.entries()[2].second.string(), "three");
  EXPECT_EQ(complaint([&] { value["c"]; }), "'c' was asked of a dict of 3 items");
  EXPECT_EQ(complaint([] { Value(1)["c"]; }), "'c' was asked of a int 1");
}

TEST(Value, NamedTuplesAreReadByField) {
  const Value value = Value::tuple({1, 2}, {"mean", "scale"});
  EXPECT_EQ(value.names(), (std::vector<std::string>{"mean", "scale"}));
  EXPECT_EQ(value["scale"].integer(), 2);
  EXPECT_EQ(complaint([&] { value["mode"]; }), "'mode' was asked of a tuple of 2 items");
  EXPECT_TRUE(Value::tuple({1, 2}).names().empty());
  EXPECT_NE(complaint([] { Value::tuple({1, 2})["mean"]; }), "");
  EXPECT_EQ(complaint([] { Value::tuple({1, 2}, {"mean"}); }),
            "a named tuple of 2 items was given 1 names");
}

TEST(Value, CopiesShareTheirContents) {
  const Value list = Value::list({at::ones({2})});
  const Value copy = list;  // NOLINT
  EXPECT_EQ(&list.items(), &copy.items());
  EXPECT_TRUE(list[0].tensor().is_same(copy[0].tensor()));
}

TEST(Describe, SaysWhatAValueIs) {
  EXPECT_EQ(describe(Value()), "None");
  EXPECT_EQ(describe(at::zeros({1, 3})), "float32[1, 3]");
  EXPECT_EQ(describe(at::zeros({}, at::kLong)), "int64[]");
  EXPECT_EQ(describe(at::Tensor()), "undefined tensor");
  EXPECT_EQ(describe(at::empty({2}, at::TensorOptions().device(at::kMeta))),
            "float32[2] on meta");
  EXPECT_EQ(describe(true), "bool True");
  EXPECT_EQ(describe(false), "bool False");
  EXPECT_EQ(describe(5), "int 5");
  EXPECT_EQ(describe(0.25), "float 0.25");
  EXPECT_EQ(describe("text"), "str 'text'");
  EXPECT_EQ(describe(std::string(41, 'a')), "str '" + std::string(40, 'a') + "...'");
  EXPECT_EQ(describe(Value::list({1})), "list of 1 item");
  EXPECT_EQ(describe(Value::list({1, 2})), "list of 2 items");
  EXPECT_EQ(describe(Value::tuple({})), "tuple of 0 items");
  EXPECT_EQ(describe(Value::dict({{"a", 1}})), "dict of 1 item");
  EXPECT_EQ(describe(object_of("__torch__.State")), "__torch__.State");
}

TEST(Describe, SpellsDtypesAndKindsAsPythonDoes) {
  EXPECT_EQ(to_string(at::kFloat), "float32");
  EXPECT_EQ(to_string(at::kByte), "uint8");
  EXPECT_EQ(to_string(at::kBFloat16), "bfloat16");
  EXPECT_EQ(to_string(at::kComplexDouble), "complex128");
  EXPECT_EQ(to_string(at::kBool), "bool");
  EXPECT_EQ(to_string(Kind::none), "None");
  EXPECT_EQ(to_string(Kind::boolean), "bool");
  EXPECT_EQ(to_string(Kind::string), "str");
  EXPECT_EQ(to_string(Kind::any), "any");
}

}  // namespace
}  // namespace torchship
