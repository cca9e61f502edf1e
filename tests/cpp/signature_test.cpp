#include "signature.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torchship/error.h>

#include "test_files.h"

namespace torchship {
namespace {

ValueSpec spec(const std::string& name, Kind kind, const std::string& type,
               std::vector<ValueSpec> items = {}) {
  ValueSpec made;
  made.name = name;
  made.kind = kind;
  made.type = type;
  made.items = std::move(items);
  return made;
}

ValueSpec tensor(const std::string& name = "") { return spec(name, Kind::tensor, "Tensor"); }
ValueSpec integer(const std::string& name = "") { return spec(name, Kind::integer, "int"); }
ValueSpec string(const std::string& name = "") { return spec(name, Kind::string, "str"); }

ValueSpec with_default(ValueSpec made) {
  made.has_default = true;
  return made;
}

ValueSpec optional(ValueSpec made) {
  made.optional = true;
  made.type = "Optional[" + made.type + "]";
  return made;
}

MethodInfo forward(std::vector<ValueSpec> inputs) {
  return {.name = "forward", .inputs = std::move(inputs), .output = tensor(), .dimensions = {}};
}

/// The message of the SignatureError for these inputs; empty when they fit.
std::string complaint(const MethodInfo& method, const std::vector<Value>& positional,
                      const NamedValues& named = {}) {
  try {
    bind_inputs("m.pt", method, positional, named);
  } catch (const SignatureError& error) {
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    return error.message();
  }
  return {};
}

std::string complaint_about(const ValueSpec& input, const Value& value) {
  return complaint(forward({input}), {value});
}

TEST(BindInputs, PutsValuesInTheMethodsOrder) {
  const MethodInfo method = forward({integer("a"), integer("b"), with_default(integer("c"))});
  const std::vector<Value> positional{1, 2, 3};
  const BoundInputs bound = bind_inputs("m.pt", method, positional, {});
  ASSERT_EQ(bound.size(), 3u);
  EXPECT_EQ(bound[0], &positional[0]);
  EXPECT_EQ(bound[2], &positional[2]);

  const NamedValues named{{"b", 2}, {"a", 1}};
  const BoundInputs by_name = bind_inputs("m.pt", method, {}, named);
  EXPECT_EQ(by_name[0], &named[1].second);
  EXPECT_EQ(by_name[1], &named[0].second);
  EXPECT_EQ(by_name[2], nullptr);

  const std::vector<Value> first{1};
  const NamedValues rest{{"c", 3}, {"b", 2}};
  const BoundInputs mixed = bind_inputs("m.pt", method, first, rest);
  EXPECT_EQ(mixed[0], &first[0]);
  EXPECT_EQ(mixed[1], &rest[1].second);
  EXPECT_EQ(mixed[2], &rest[0].second);

  EXPECT_TRUE(bind_inputs("m.pt", forward({}), {}, {}).empty());
}

TEST(BindInputs, RefusesWrongNumbersAndNames) {
  const MethodInfo method = forward({integer("a"), integer("b"), with_default(integer("c"))});
  EXPECT_EQ(complaint(method, {1}), "m.pt: forward: input 'b' (int) is missing");
  EXPECT_EQ(complaint(method, {}, {{"b", 2}}), "m.pt: forward: input 'a' (int) is missing");
  EXPECT_EQ(complaint(method, {1, 2}, {{"d", 3}}), "m.pt: forward: has no input named 'd'");
  EXPECT_EQ(complaint(method, {1, 2}, {{"b", 3}}), "m.pt: forward: input 'b' was given twice");
  EXPECT_EQ(complaint(method, {1}, {{"b", 3}, {"b", 3}}),
            "m.pt: forward: input 'b' was given twice");
  EXPECT_EQ(complaint(method, {1, 2, 3, 4}), "m.pt: forward: takes 3 inputs, got 4");
  EXPECT_EQ(complaint(forward({integer("a")}), {1, 2}), "m.pt: forward: takes 1 input, got 2");
  EXPECT_EQ(complaint(forward({}), {1}), "m.pt: forward: takes 0 inputs, got 1");
}

TEST(BindInputs, HintsAtTheSignature) {
  try {
    bind_inputs("m.pt", forward({tensor("x"), with_default(integer("k"))}), {}, {});
    FAIL();
  } catch (const SignatureError& error) {
    EXPECT_EQ(error.hint(), "the method is forward(x: Tensor, k: int = ...) -> Tensor");
  }
}

TEST(BindInputs, NamesThePlaceOfAWrongValue) {
  EXPECT_EQ(complaint_about(tensor("x"), 3), "m.pt: forward: input 'x': expected Tensor, got int 3");
  EXPECT_EQ(complaint_about(integer("x"), at::ones({2})),
            "m.pt: forward: input 'x': expected int, got float32[2]");

  const ValueSpec list = spec("x", Kind::list, "List[Tensor]", {tensor()});
  EXPECT_EQ(complaint_about(list, Value::list({at::ones({1}), at::ones({1})})), "");
  EXPECT_EQ(complaint_about(list, Value::list({})), "");
  EXPECT_EQ(complaint_about(list, Value::list({at::ones({1}), 3})),
            "m.pt: forward: input 'x'[1]: expected Tensor, got int 3");
  EXPECT_EQ(complaint_about(list, Value::tuple({at::ones({1})})),
            "m.pt: forward: input 'x': expected List[Tensor], got tuple of 1 item");

  const ValueSpec dict = spec("x", Kind::dict, "Dict[str, List[Tensor]]", {string(), list});
  EXPECT_EQ(complaint_about(dict, Value::dict({{"mask", Value::list({at::ones({1})})}})), "");
  EXPECT_EQ(complaint_about(dict, Value::dict({{"mask", Value::list({"a"})}})),
            "m.pt: forward: input 'x'['mask'][0]: expected Tensor, got str 'a'");
  EXPECT_EQ(complaint_about(dict, Value::dict({{1, Value::list({})}})),
            "m.pt: forward: input 'x' key: expected str, got int 1");

  const ValueSpec by_number = spec("x", Kind::dict, "Dict[int, int]", {integer(), integer()});
  EXPECT_EQ(complaint_about(by_number, Value::dict({{4, "a"}})),
            "m.pt: forward: input 'x'[int 4]: expected int, got str 'a'");

  const ValueSpec tuple = spec("x", Kind::tuple, "Tuple[Tensor, int]", {tensor(), integer()});
  EXPECT_EQ(complaint_about(tuple, Value::tuple({at::ones({1}), 1})), "");
  EXPECT_EQ(complaint_about(tuple, Value::tuple({at::ones({1}), "a"})),
            "m.pt: forward: input 'x'[1]: expected int, got str 'a'");
  EXPECT_EQ(complaint_about(tuple, Value::tuple({at::ones({1})})),
            "m.pt: forward: input 'x': expected Tuple[Tensor, int], a tuple of 2, got tuple of 1 "
            "item");
}

TEST(BindInputs, ConvertsNumbersWhereNothingIsLost) {
  const ValueSpec floating = spec("x", Kind::floating, "float");
  EXPECT_EQ(complaint_about(floating, 1), "");
  EXPECT_EQ(complaint_about(floating, 1.5), "");
  EXPECT_NE(complaint_about(floating, true), "");
  EXPECT_NE(complaint_about(floating, "1"), "");
  EXPECT_EQ(complaint_about(spec("x", Kind::complex, "complex"), 1.5), "");
  EXPECT_EQ(complaint_about(spec("x", Kind::list, "List[float]", {floating}), Value::list({1, 2.0})),
            "");
  EXPECT_EQ(complaint_about(integer("x"), 1.5),
            "m.pt: forward: input 'x': expected int, got float 1.5");
  EXPECT_NE(complaint_about(integer("x"), true), "");
  EXPECT_NE(complaint_about(spec("x", Kind::boolean, "bool"), 1), "");
}

TEST(BindInputs, TakesNoneForOptionalsOnly) {
  EXPECT_EQ(complaint_about(optional(tensor("x")), Value()), "");
  EXPECT_EQ(complaint_about(optional(tensor("x")), at::ones({1})), "");
  EXPECT_EQ(complaint_about(optional(tensor("x")), 3),
            "m.pt: forward: input 'x': expected Optional[Tensor], got int 3");
  EXPECT_EQ(complaint_about(tensor("x"), Value()),
            "m.pt: forward: input 'x': expected Tensor, got None");
  // An optional without a default has to be given.
  EXPECT_EQ(complaint(forward({optional(tensor("x"))}), {}),
            "m.pt: forward: input 'x' (Optional[Tensor]) is missing");
  const ValueSpec list = spec("x", Kind::list, "List[Optional[Tensor]]", {optional(tensor())});
  EXPECT_EQ(complaint_about(list, Value::list({at::ones({1}), Value()})), "");
}

TEST(BindInputs, ChecksUnions) {
  const ValueSpec choice = spec("x", Kind::any, "Union[int, List[str]]",
                                {integer(), spec("", Kind::list, "List[str]", {string()})});
  EXPECT_EQ(complaint_about(choice, 1), "");
  EXPECT_EQ(complaint_about(choice, Value::list({"a"})), "");
  EXPECT_EQ(complaint_about(choice, 1.5),
            "m.pt: forward: input 'x': expected Union[int, List[str]], got float 1.5");
  EXPECT_NE(complaint_about(choice, Value::list({1})), "");
  const ValueSpec anything = spec("x", Kind::any, "Any");
  EXPECT_EQ(complaint_about(anything, Value::dict({{"a", 1}})), "");
  EXPECT_EQ(complaint_about(anything, Value()), "");
}

TEST(BindInputs, RefusesTensorsWithoutData) {
  const Value meta = at::empty({2}, at::TensorOptions().device(at::kMeta));
  const ValueSpec list = spec("x", Kind::list, "List[Tensor]", {tensor()});
  EXPECT_EQ(complaint_about(tensor("x"), meta),
            "m.pt: forward: input 'x': the tensor is on the meta device and holds no data");
  EXPECT_HAS(complaint_about(list, Value::list({meta})), "input 'x'[0]: the tensor is on the meta");
  EXPECT_HAS(complaint_about(spec("x", Kind::any, "Any"), meta), "meta device");
  EXPECT_EQ(complaint_about(tensor("x"), at::Tensor()),
            "m.pt: forward: input 'x': the tensor is undefined");
}

}  // namespace
}  // namespace torchship
