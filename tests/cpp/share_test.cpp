#include "graphs/share.h"

#include <gtest/gtest.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include "graphs/visit.h"
#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// The graph of a text, with constants in the place of its last inputs.
std::shared_ptr<jit::Graph> parse(const std::string& text, const std::vector<at::Tensor>& weights) {
  auto graph = std::make_shared<jit::Graph>();
  jit::parseIR(text, graph.get());
  const std::size_t first = graph->inputs().size() - weights.size();
  const jit::WithInsertPoint start(*graph->block()->nodes().begin());
  for (const at::Tensor& weight : weights) {
    graph->inputs()[first]->replaceAllUsesWith(graph->insertConstant(weight));
    graph->eraseInput(first);
  }
  return graph;
}

std::size_t count(jit::Graph& graph, const std::string& name) {
  std::size_t found = 0;
  for_each_node(*graph.block(), [&](const jit::Node* node) {
    found += node->kind().toQualString() == name ? 1 : 0;
  });
  return found;
}

at::Tensor run(const std::shared_ptr<jit::Graph>& graph, const at::Tensor& input) {
  std::vector<c10::IValue> stack = {input};
  jit::InterpreterState(jit::Code(graph, "test")).run(stack);
  return stack.front().toTensor();
}

constexpr const char* kTwice = R"IR(
graph(%x : Tensor, %w : Tensor, %v : Tensor):
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::mul(%x, %w)
  %b : Tensor = aten::mul(%x, %v)
  %c : Tensor = aten::add(%a, %b, %one)
  return (%c))IR";

TEST(Share, EqualResultsOfOneWeightBecomeOne) {
  const at::Tensor weight = at::randn({100});
  const auto graph = parse(kTwice, {weight, weight});
  const at::Tensor x = at::randn({100});
  const at::Tensor before = run(graph, x);
  share_equal_results(graph);
  EXPECT_EQ(count(*graph, "aten::mul"), 1u);
  EXPECT_TRUE(at::equal(run(graph, x), before));
}

TEST(Share, WeightsAreNotComparedButSmallConstantsAre) {
  const auto large = parse(kTwice, {at::ones({100}), at::ones({100})});
  share_equal_results(large);
  EXPECT_EQ(count(*large, "aten::mul"), 2u);
  const auto small = parse(kTwice, {at::ones({2}), at::ones({2})});
  share_equal_constants(small);
  share_equal_results(small);
  EXPECT_EQ(count(*small, "aten::mul"), 1u);
}

TEST(Share, ResultsThatACallerGetsStayTwo) {
  const auto graph = parse(R"IR(
graph(%x : Tensor):
  %zero : int = prim::Constant[value=0]()
  %a : Tensor = aten::relu(%x)
  %b : Tensor = aten::relu(%x)
  %c : Tensor = aten::select(%b, %zero, %zero)
  %r : (Tensor, Tensor) = prim::TupleConstruct(%a, %c)
  return (%r))IR",
                           {});
  share_equal_results(graph);
  EXPECT_EQ(count(*graph, "aten::relu"), 2u);
}

TEST(Share, RandomNumbersStayTwo) {
  const auto graph = parse(R"IR(
graph(%x : Tensor):
  %none : NoneType = prim::Constant()
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::rand_like(%x, %none, %none, %none, %none, %none)
  %b : Tensor = aten::rand_like(%x, %none, %none, %none, %none, %none)
  %c : Tensor = aten::sub(%a, %b, %one)
  return (%c))IR",
                           {});
  share_equal_results(graph);
  EXPECT_EQ(count(*graph, "aten::rand_like"), 2u);
}

TEST(Share, BranchesUseWhatWasComputedBeforeThem) {
  const auto graph = parse(R"IR(
graph(%x : Tensor):
  %zero : int = prim::Constant[value=0]()
  %one : int = prim::Constant[value=1]()
  %n : int = aten::size(%x, %zero)
  %many : bool = aten::gt(%n, %one)
  %a : Tensor = aten::relu(%x)
  %y : Tensor = prim::If(%many)
    block0():
      %b : Tensor = aten::relu(%x)
      %c : Tensor = aten::neg(%b)
      -> (%c)
    block1():
      %d : Tensor = aten::sin(%x)
      -> (%d)
  %z : Tensor = aten::add(%y, %a, %one)
  return (%z))IR",
                           {});
  const at::Tensor x = at::randn({3});
  const at::Tensor before = run(graph, x);
  share_equal_results(graph);
  EXPECT_EQ(count(*graph, "aten::relu"), 1u);
  EXPECT_TRUE(at::equal(run(graph, x), before));
}

TEST(Share, WhatIsWrittenBetweenStaysTwo) {
  const auto graph = parse(R"IR(
graph(%x : Tensor):
  %one : int = prim::Constant[value=1]()
  %y : Tensor = aten::neg(%x)
  %a : Tensor = aten::relu(%y)
  %w : Tensor = aten::add_(%y, %one, %one)
  %b : Tensor = aten::relu(%y)
  %c : Tensor = aten::sub(%a, %b, %one)
  return (%c))IR",
                           {});
  EXPECT_TRUE(may_write(*graph));
  share_equal_results(graph);
  EXPECT_EQ(count(*graph, "aten::relu"), 2u);
}

}  // namespace
}  // namespace torchship
