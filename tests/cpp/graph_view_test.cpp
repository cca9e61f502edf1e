// What the executable makes of a graph: Graphviz' language, JSON, text, the page.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <torchship/error.h>

#include "graph_dot.h"
#include "graph_json.h"
#include "graph_page.h"
#include "graph_tables.h"
#include "graph_text.h"
#include "graphviz.h"
#include "handmade_graphs.h"
#include "ink.h"
#include "text.h"

namespace torchship::cli {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

/// The line of `text` that has `part`.
std::string line_with(const std::string& text, const std::string& part) {
  const std::size_t at = text.find(part);
  if (at == std::string::npos) return "";
  const std::size_t start = text.rfind('\n', at) + 1;
  return text.substr(start, text.find('\n', at) - start);
}

/// What stands in the page's data element.
std::string page_data(const std::string& page) {
  const std::string start = "<script type=\"application/json\" id=\"data\">";
  const std::size_t at = page.find(start) + start.size();
  return page.substr(at, page.find("</script>", at) - at);
}

TEST(Dot, QuotesWhatGraphvizWouldRead) {
  EXPECT_EQ(dot_quoted("plain"), "\"plain\"");
  EXPECT_EQ(dot_quoted("a \"b\""), "\"a \\\"b\\\"\"");
  EXPECT_EQ(dot_quoted("\\N\\"), "\"\\\\N\\\\\"");
  EXPECT_EQ(dot_quoted("&lt;"), "\"&amp;lt;\"");
  EXPECT_EQ(dot_quoted("two\nlines"), "\"two\\nlines\"");
  EXPECT_EQ(dot_quoted("\x1b"), "\"\\\\x1b\"");
}

TEST(Dot, ConstantsStandInLabels) {
  const std::string dot = to_dot(addition());
  EXPECT_TRUE(has(dot, "label=\"add\\n20, 1\""));
  EXPECT_FALSE(has(dot, "Constant"));
  EXPECT_EQ(count(dot, " -> "), 2u) << dot;  // x to add, add to the output
  EXPECT_EQ(count(dot, "[label=\"float32[1, 3]\"]"), 2u) << dot;
}

TEST(Dot, ModulesAreClustersInClusters) {
  const std::string dot = to_dot(addition());
  EXPECT_EQ(count(dot, "subgraph cluster_"), 2u) << dot;
  EXPECT_LT(dot.find("label=\"a\""), dot.find("label=\"b\""));
  EXPECT_LT(dot.find("label=\"b\""), dot.find("label=\"add"));
}

TEST(Dot, KernelsAreClustersAndValuesGoThroughTheirBorders) {
  const std::string dot = to_dot(fused());
  EXPECT_TRUE(has(dot, "label=\"one kernel: prim::TensorExprGroup\""));
  // x to mul (its two inputs are one value), to add and to matmul; mul, add, relu, matmul in a row.
  EXPECT_EQ(count(dot, " -> "), 7u) << dot;
}

TEST(Dot, BothBranchesReachWhatFollows) {
  const std::string dot = to_dot(branched());
  EXPECT_TRUE(has(dot, "label=\"if true\"") && has(dot, "label=\"else\""));
  // flag to if, x to relu, relu or x to tanh, tanh to the output.
  EXPECT_EQ(count(dot, " -> "), 5u) << dot;
}

TEST(Dot, HostileNamesStayInQuotes) {
  const std::string dot = to_dot(hostile());
  EXPECT_FALSE(has(dot, "\x1b"));
  EXPECT_FALSE(has(dot, "\xe2\x80\xae"));
  EXPECT_FALSE(has(dot, "\xff"));
  // Quotes that are not escaped come in pairs on every line.
  std::size_t quotes = 0;
  for (std::size_t i = 0; i < dot.size(); ++i) {
    if (dot[i] == '\\') {
      ++i;
    } else if (dot[i] == '"') {
      ++quotes;
    } else if (dot[i] == '\n') {
      EXPECT_EQ(quotes % 2, 0u);
      quotes = 0;
    }
  }
}

TEST(GraphJson, HasEverything) {
  const nlohmann::ordered_json json = to_json(addition());
  EXPECT_EQ(json["stage"], "initial");
  EXPECT_EQ(json["operators"], 1);
  EXPECT_EQ(json["values"][0],
            (nlohmann::ordered_json{
                {"name", "x"}, {"type", "Tensor"}, {"dtype", "float32"}, {"shape", {1, 3}}}));
  const auto& add = json["body"]["nodes"][2];
  EXPECT_EQ(add["operator"], "aten::add");
  EXPECT_EQ(add["kind"], "operator");
  EXPECT_EQ(add["inputs"], (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(add["module"], "a.b");
  EXPECT_EQ(add["source"], "net.py:3");
  EXPECT_FALSE(add.contains("microseconds"));
  EXPECT_EQ(json["body"]["nodes"][0]["attributes"]["value"], "20");
}

TEST(GraphJson, TimesWhereTheyWereTaken) {
  const auto json = to_json(fused());
  EXPECT_EQ(json["operators"], 4);
  EXPECT_EQ(json["body"]["nodes"][1]["microseconds"], 90.0);
  EXPECT_EQ(json["body"]["nodes"][1]["executions"], 2);
  EXPECT_EQ(json["body"]["nodes"][0]["blocks"][0]["nodes"].size(), 3u);
}

TEST(GraphJson, IsAscii) {
  const std::string text = ascii(to_json(hostile()), 2);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                          [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

TEST(GraphPage, TextOfTheFileCannotEndItsElement) {
  const std::string page = graph_page(hostile().method, {hostile()}, 0);
  const std::string data = page_data(page);
  EXPECT_FALSE(has(data, "<"));
  EXPECT_FALSE(has(data, ">"));
  EXPECT_FALSE(has(data, "\n"));
  const auto json = nlohmann::ordered_json::parse(data);
  EXPECT_EQ(json["graphs"][0], nlohmann::ordered_json::parse(ascii(to_json(hostile()))));
  // As many elements as in a page of harmless text.
  const std::string harmless = graph_page("net.pt", {addition()}, 0);
  EXPECT_EQ(count(page, "<script"), count(harmless, "<script"));
  EXPECT_EQ(count(page, "</script"), count(harmless, "</script"));
}

TEST(GraphPage, NeedsNoNetwork) {
  const std::string page = graph_page("net.pt", {addition()}, 0);
  EXPECT_TRUE(has(page, "default-src 'none'; script-src 'sha256-"));
  EXPECT_FALSE(has(page, "{{"));
  EXPECT_FALSE(has(page, " src="));
  EXPECT_FALSE(has(page, "href="));
  EXPECT_FALSE(has(page, "@import"));
  EXPECT_FALSE(has(page, "url(http"));
}

TEST(GraphText, OneNodeALineInColumns) {
  const std::string text = describe_graph(addition());
  EXPECT_TRUE(has(text, "forward at stage initial, interpreter on cpu, 1 operator\n"));
  EXPECT_TRUE(has(text, "x: float32[1, 3]"));
  const std::string add = line_with(text, "aten::add");
  EXPECT_TRUE(has(add, "x, 20, 1")) << add;
  EXPECT_TRUE(has(add, "net.py:3"));
  EXPECT_TRUE(has(add, "a.b"));
  EXPECT_FALSE(has(text, "prim::Constant"));
  EXPECT_FALSE(has(text, "\x1b"));
}

TEST(GraphText, ConstantsHaveLinesWhereAskedFor) {
  const std::string text = describe_graph(addition(), {.constants = true});
  EXPECT_EQ(count(text, "prim::Constant"), 2u);
  EXPECT_EQ(line_with(text, "aten::add").find("x, 20, 1"),
            line_with(text, "prim::Constant").find("20"));
}

TEST(GraphText, LongConstantsHaveLinesAnyway) {
  Graph graph = addition();
  graph.body.nodes[0].attributes["value"] = "'" + std::string(200, 'a') + "'";
  const std::string text = describe_graph(graph);
  EXPECT_EQ(count(text, "prim::Constant"), 1u);
  EXPECT_TRUE(has(line_with(text, "aten::add"), "x, 5, 1"));
  EXPECT_TRUE(has(line_with(text, "prim::Constant"), "aaa..."));
}

TEST(GraphText, AttributesAreSpeltByTheirPath) {
  GraphBuilder builder;
  const std::size_t self = builder.value("self.1", "__torch__.Net");
  const std::size_t linear = builder.value("linear", "__torch__.Linear");
  const std::size_t weight = builder.value("weight");
  const std::size_t out = builder.value("out");
  GraphNode module = GraphBuilder::node("prim::GetAttr", NodeKind::attribute, {self}, {linear});
  module.attributes["name"] = "linear";
  GraphNode parameter =
      GraphBuilder::node("prim::GetAttr", NodeKind::attribute, {linear}, {weight});
  parameter.attributes["name"] = "weight";
  builder.body() = {
      {self},
      {module, parameter, GraphBuilder::node("aten::relu", NodeKind::operator_, {weight}, {out})},
      {out}};
  const std::string text = describe_graph(builder.graph());
  EXPECT_TRUE(has(line_with(text, "aten::relu"), "self.linear.weight"));
  EXPECT_FALSE(has(text, "prim::GetAttr"));
  EXPECT_TRUE(has(to_dot(builder.graph()), "label=\"relu\\nself.linear.weight\""));
}

TEST(GraphText, MembersOfAKernelAreIndented) {
  const std::string text = describe_graph(fused());
  const std::size_t kernel = line_with(text, "prim::TensorExprGroup").find("prim");
  EXPECT_EQ(line_with(text, "aten::relu").find("aten"), kernel + 2);
  EXPECT_EQ(line_with(text, "aten::matmul").find("aten"), kernel);
}

TEST(GraphText, BranchesSayWhatTheyGive) {
  const std::string text = describe_graph(branched());
  EXPECT_LT(text.find("if true:"), text.find("aten::relu"));
  EXPECT_LT(text.find("aten::relu"), text.find("else:"));
  EXPECT_EQ(count(text, "return"), 2u);
}

TEST(GraphText, ColoursAreAddedAndTakeNoRoom) {
  const std::string plain = describe_graph(fused());
  std::string coloured = describe_graph(fused(), {.colour = true});
  EXPECT_TRUE(has(coloured, "\x1b[1;33m"));
  for (std::size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) + 1 - at);
  }
  EXPECT_EQ(coloured, plain);
}

TEST(GraphText, NothingOfTheFileControlsTheTerminal) {
  const std::string text = describe_graph(hostile());
  EXPECT_FALSE(has(text, "\x1b"));
  EXPECT_FALSE(has(text, "\xe2\x80\xae"));
  EXPECT_FALSE(has(text, "\xff"));
  EXPECT_TRUE(has(text, "\\x1b"));
}

TEST(GraphTables, SumsByOperatorAndBySource) {
  const std::string text = describe_times(fused(), /*colour=*/false);
  EXPECT_EQ(line_with(text, "aten::matmul"), "aten::matmul           2      90.0 us   75.0 %");
  EXPECT_EQ(line_with(text, "prim::TensorExprGroup"),
            "prim::TensorExprGroup  2      30.0 us   25.0 %");
  EXPECT_EQ(count(text, "100.0 %"), 2u);
  EXPECT_TRUE(has(line_with(text, "net.py:7"), "90.0 us"));
  EXPECT_TRUE(has(line_with(text, "(unknown)"), "30.0 us"));
  EXPECT_LT(text.find("aten::matmul"), text.find("prim::TensorExprGroup"));
  EXPECT_EQ(describe_times(addition(), false), "");
}

TEST(GraphTables, TellsWhatPassesDid) {
  Graph graph = addition();
  EXPECT_EQ(describe_passes(graph, false), "");
  graph.passes = {
      {"fold batch norm", 3, 2, {{"aten::batch_norm", 1}}, {{"aten::add", 2}}, 4, 2048}};
  const std::string line = line_with(describe_passes(graph, false), "fold batch norm");
  EXPECT_TRUE(has(line, "3 -> 2"));
  EXPECT_TRUE(has(line, "2.0 kB"));
  EXPECT_TRUE(has(line, "-1 aten::batch_norm, +2 aten::add"));
}

TEST(GraphTables, SpellsTimes) {
  EXPECT_EQ(format_time(0.5), "0.5 us");
  EXPECT_EQ(format_time(1500), "1.50 ms");
  EXPECT_EQ(format_time(2.5e6), "2.50 s");
}

/// A `dot` of the test's own, the only one on PATH.
class Graphviz : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "torchship_dot";
    std::filesystem::create_directories(folder_);
    path_ = std::getenv("PATH");
    ::setenv("PATH", folder_.c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

  void install(const std::string& script) const {
    const std::filesystem::path program = folder_ / "dot";
    std::ofstream(program) << "#!/bin/sh\n" << script << '\n';
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }

  static std::string error_of(const std::string& dot, std::chrono::milliseconds longest) {
    try {
      draw_svg(dot, longest);
    } catch (const Error& error) {
      return error.message() + " / " + error.hint();
    }
    return "none";
  }

  std::filesystem::path folder_;
  std::string path_;
};

constexpr std::chrono::seconds kEnough{20};

TEST_F(Graphviz, ReadsWhatItIsGivenAndIsAskedForSvg) {
  install("echo \"$*\"; while read -r line; do echo \"$line\"; done");
  EXPECT_EQ(draw_svg("one\ntwo\n"), "-Tsvg\none\ntwo\n");
}

TEST_F(Graphviz, LargeDescriptionsDoNotBlock) {
  install("while read -r line; do echo \"$line\"; done");
  std::string dot;
  for (int i = 0; i < 20000; ++i) dot += "node [label=\"a label\"];\n";
  EXPECT_EQ(draw_svg(dot), dot);
}

TEST_F(Graphviz, IsNotThere) {
  const std::string error = error_of("", kEnough);
  EXPECT_TRUE(has(error, "not on PATH")) << error;
  EXPECT_TRUE(has(error, "install graphviz, or use --html")) << error;
}

TEST_F(Graphviz, Fails) {
  install("echo 'syntax error' >&2; echo 'more' >&2; exit 1");
  EXPECT_TRUE(has(error_of("", kEnough), "dot: failed: syntax error /"));
}

TEST_F(Graphviz, IsStoppedWhenItsTimeIsUp) {
  install("while :; do :; done");
  EXPECT_TRUE(has(error_of("", std::chrono::milliseconds(300)), "dot: took more than 1 s"));
}

TEST(Ink, AlwaysAndNever) {
  EXPECT_TRUE(wants_colour("always"));
  EXPECT_FALSE(wants_colour("never"));
  EXPECT_EQ(paint("x", Ink::bold, true), "\x1b[1mx\x1b[0m");
  EXPECT_EQ(paint("x", Ink::plain, true), "x");
  EXPECT_EQ(paint("x", Ink::bold, false), "x");
}

}  // namespace
}  // namespace torchship::cli
