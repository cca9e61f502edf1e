// The parts that read an exported program; whole programs are tested in tests/python/exported.

#include <string>

#include <gtest/gtest.h>
#include <torchship/error.h>

#include "exported/boundary.h"
#include "exported/enumerations.h"
#include "exported/guards.h"
#include "exported/lowering/lowering.h"
#include "exported/parse_program.h"
#include "exported/size_expression.h"

namespace torchship {
namespace {

TEST(SizeExpression, ReadsBothSpellings) {
  for (const char* text :
       {"Add(Mul(Integer(2), Symbol('s0', positive=True, integer=True)), Integer(1))", "2*s0 + 1",
        "1 + s0*2", "(s0 + s0) + 1"}) {
    const SizeExpression size = parse_size(text);
    EXPECT_TRUE(size.linear) << text;
    EXPECT_EQ(size.text, "2*s0 + 1") << text;
    EXPECT_EQ(size.terms.at("s0"), 2) << text;
    EXPECT_EQ(size.constant, 1) << text;
  }
}

TEST(SizeExpression, KnowsNumbersAndSymbols) {
  EXPECT_EQ(parse_size("Integer(7)").number(), 7);
  EXPECT_EQ(parse_size("3 - 5").number(), -2);
  EXPECT_TRUE(parse_size("Symbol('s77', integer=True)").is_symbol());
  EXPECT_FALSE(parse_size("2*s77").is_symbol());
  EXPECT_EQ(parse_size("s0 - s0").number(), 0);
}

TEST(SizeExpression, KeepsTheTextOfOthers) {
  for (const char* text : {"FloorDiv(s0, 2)", "Max(1, u0)", "s0*s1", "s0**2", "Add(s0", "", "2 s0",
                           "9223372036854775807*2*s0", "Symbol(s0)"}) {
    const SizeExpression size = parse_size(text);
    EXPECT_FALSE(size.linear) << text;
    EXPECT_EQ(size.text, text);
    EXPECT_EQ(size.number(), std::nullopt);
  }
}

TEST(SizeExpression, RefusesDepthWithoutHarm) {
  const std::string deep(100'000, '(');
  EXPECT_FALSE(parse_size(deep).linear);
  std::string calls;
  for (int i = 0; i < 100'000; ++i) calls += "Add(";
  EXPECT_FALSE(parse_size(calls).linear);
}

TEST(Guards, AreReadAsPythonReadsThem) {
  const auto guard = parse_guard("((-1) + 4*L['t'].size()[1]) // 2 != 0 and not L['n'] < 3");
  ASSERT_TRUE(guard);
  EXPECT_EQ(guard->operation, "and");
  const GuardExpression& unequal = guard->operands[0];
  EXPECT_EQ(unequal.operation, "!=");
  EXPECT_EQ(unequal.operands[0].operation, "//");
  const GuardExpression& size = unequal.operands[0].operands[0].operands[1].operands[1];
  EXPECT_EQ(size.kind, GuardExpression::Kind::size);
  EXPECT_EQ(size.path, "L['t']");
  EXPECT_EQ(size.number, 1);
  EXPECT_EQ(guard->operands[1].operation, "not");
  EXPECT_EQ(guard->operands[1].operands[0].operands[0].path, "L['n']");
}

TEST(Guards, OfOtherFormsAreNone) {
  for (const char* text : {"", "L['x'].stride()[0] == 1", "foo(1) == 2", "1 ==", "L['x", "min(1)",
                           "L['x'].size()[a] == 1", "99999999999999999999 == 1"}) {
    EXPECT_FALSE(parse_guard(text)) << text;
  }
  EXPECT_FALSE(parse_guard(std::string(100'000, '(')));
  EXPECT_FALSE(parse_guard(std::string(100'000, '-')));
}

TEST(OperatorTarget, IsTakenApart) {
  const auto add = parse_target("torch.ops.aten.add.Tensor");
  ASSERT_TRUE(add);
  EXPECT_EQ(add->name, "aten::add");
  EXPECT_EQ(add->overload, "Tensor");
  EXPECT_EQ(parse_target("torch.ops.aten.linear.default")->overload, "");
  EXPECT_FALSE(parse_target("_operator.add"));
  EXPECT_FALSE(parse_target("torch.ops.aten"));
  EXPECT_FALSE(parse_target("torch.ops."));
}

TEST(Enumerations, RefuseNumbersThatThereAreNot) {
  EXPECT_EQ(exported_dtype(7), at::kFloat);
  for (const std::int64_t number : {0, 14, 27, 36, -1}) EXPECT_FALSE(exported_dtype(number));
  EXPECT_EQ(exported_layout(7), at::kStrided);
  EXPECT_FALSE(exported_layout(0));
  EXPECT_FALSE(exported_memory_format(5));
}

/// y = x + 1 for x of [s0, 3].
std::string program(const std::string& inputs = R"([{"as_tensor": {"name": "x"}}])",
                    const std::string& version = R"({"major": 8, "minor": 20})",
                    const std::string& tree = "[]") {
  const std::string tensor =
      R"json({"dtype": 7,
          "sizes": [{"as_expr": {"expr_str": "Symbol('s0', integer=True)"}}, {"as_int": 3}],
          "strides": [{"as_int": 3}, {"as_int": 1}], "storage_offset": {"as_int": 0},
          "requires_grad": false, "device": {"type": "cpu", "index": null}, "layout": 7})json";
  const std::string leaf = R"({\"type\": null, \"context\": null, \"children_spec\": []})";
  const std::string call =
      R"([1, {\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": [)"
      R"({\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": [)" +
      (tree == "[]" ? leaf : tree) +
      R"(]}, {\"type\": \"builtins.dict\", \"context\": \"[]\", \"children_spec\": []}]}])";
  return R"({"graph_module": {"graph": {"inputs": )" + inputs +
         R"(, "outputs": [{"as_tensor": {"name": "y"}}], "nodes": [{"target":
            "torch.ops.aten.add.Tensor", "inputs": [
              {"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
              {"name": "other", "arg": {"as_int": 1}, "kind": 1}],
            "outputs": [{"as_tensor": {"name": "y"}}], "metadata": {}}],
          "tensor_values": {"x": )" + tensor + R"(, "y": )" + tensor +
         R"(}, "sym_int_values": {}, "sym_bool_values": {}},
          "signature": {"input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
            "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}]},
          "module_call_graph": [{"fqn": "", "signature": {"inputs": [], "outputs": [],
            "in_spec": ")" + call + R"(", "out_spec": "[1, )" + leaf +
         R"(]", "forward_arg_names": ["x"]}}]},
          "range_constraints": {"s0": {"min_val": 2, "max_val": 64}}, "schema_version": )" + version +
         R"(, "torch_version": "2.13.0", "something_new": [1, 2]})";
}

TEST(ParseProgram, ReadsWhatTheBoundaryNeeds) {
  const ExportedProgram parsed = parse_program(program(), "m.pt2");
  const ProgramBoundary boundary = boundary_of(parsed, "m.pt2");
  ASSERT_EQ(boundary.method.inputs.size(), 1);
  const ValueSpec& x = boundary.method.inputs[0];
  EXPECT_EQ(x.name, "x");
  EXPECT_EQ(x.dtype, at::kFloat);
  EXPECT_EQ((*x.shape)[0].symbol, 0);
  EXPECT_EQ((*x.shape)[1].size, 3);
  // torch reasons with 2 and takes 1.
  EXPECT_EQ(boundary.method.dimensions[0].min, 1);
  EXPECT_EQ(boundary.method.dimensions[0].max, 64);
}

TEST(ParseProgram, RefusesOtherVersionsNamingBoth) {
  try {
    parse_program(program(R"([{"as_tensor": {"name": "x"}}])", R"({"major": 9, "minor": 1})"), "m");
    FAIL();
  } catch (const ArchiveError& error) {
    EXPECT_NE(error.message().find("9.1"), std::string::npos);
    EXPECT_NE(error.message().find("version 8"), std::string::npos);
  }
}

TEST(ParseProgram, SaysWhichNodeIsWrong) {
  std::string text = program();
  const std::string right = R"("as_int": 1}, "kind")";
  text.replace(text.find(right), right.size(), R"("as_int": "1"}, "kind")");
  try {
    parse_program(text, "m.pt2");
    FAIL();
  } catch (const ArchiveError& error) {
    EXPECT_NE(error.message().find("m.pt2: node 0: expected an integer, got '1'"),
              std::string::npos)
        << error.message();
  }
}

TEST(ParseProgram, RefusesWhatDoesNotFitTogether) {
  EXPECT_THROW(parse_program("", "m"), ArchiveError);
  EXPECT_THROW(parse_program("{}", "m"), ArchiveError);
  EXPECT_THROW(parse_program("[]", "m"), ArchiveError);
  EXPECT_THROW(parse_program(program("[]"), "m"), ArchiveError);
  const std::string two = R"({\"type\": \"builtins.list\", \"context\": \"null\", )"
                          R"(\"children_spec\": []})";
  const ExportedProgram parsed = parse_program(
      program(R"([{"as_tensor": {"name": "x"}}])", R"({"major": 8, "minor": 20})", two), "m");
  EXPECT_THROW(boundary_of(parsed, "m"), ArchiveError);
}

}  // namespace
}  // namespace torchship
