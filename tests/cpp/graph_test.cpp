#include <torchship/graph.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/model.h>

#include "test_files.h"

namespace torchship {
namespace {

using test::TempFolder;

class GraphTest : public testing::Test {
 protected:
  Model load(const torch::jit::Module& module) const {
    module.save((folder_ / "m.pt").string());
    return Model(folder_ / "m.pt");
  }

  Model model(const std::string& code) const {
    torch::jit::Module module("Net");
    module.register_buffer("state", at::zeros({2, 2}));
    module.register_parameter("weight", at::ones({2, 2}), false);
    module.define(code + "\n");
    return load(module);
  }

  static std::vector<std::string> names(const GraphBlock& block) {
    std::vector<std::string> names;
    for (const GraphNode& node : block.nodes) names.push_back(node.operator_name);
    return names;
  }

  static bool has(const GraphBlock& block, const std::string& name) {
    return std::any_of(block.nodes.begin(), block.nodes.end(), [&](const GraphNode& node) {
      return node.operator_name == name ||
             std::any_of(node.blocks.begin(), node.blocks.end(),
                         [&](const GraphBlock& inner) { return has(inner, name); });
    });
  }

  TempFolder folder_;
};

const Value kX = at::ones({2, 2});

TEST(Stage, HasNames) {
  for (const Stage stage : {Stage::initial, Stage::frozen, Stage::optimized}) {
    EXPECT_EQ(parse_stage(to_string(stage)), stage);
  }
  EXPECT_THROW(parse_stage("final"), SignatureError);
}

TEST_F(GraphTest, TheArticlesConstant) {
  const Model net = model(R"(
    def forward(self, x):
      a = 5
      b = 2
      c = a * b
      d = c + 10
      e = a + b
      return x + d
  )");
  for (const Stage stage : {Stage::frozen, Stage::optimized}) {
    const Graph graph = net.graph(stage);
    std::vector<std::string> constants;
    std::vector<std::string> others;
    for (const GraphNode& node : graph.body.nodes) {
      if (node.kind == NodeKind::constant) {
        constants.push_back(node.attributes.at("value"));
      } else {
        others.push_back(node.operator_name);
      }
    }
    if (stage == Stage::frozen) {
      std::sort(constants.begin(), constants.end());
      EXPECT_EQ(constants, (std::vector<std::string>{"1", "20"}));
      EXPECT_EQ(others, (std::vector<std::string>{"aten::add"}));
    }
  }
}

TEST_F(GraphTest, AttributesThatAnyMethodWritesStayAttributes) {
  const Model net = model(R"(
    def forward(self, x):
      return x + self.state + self.weight
    def reset(self, x):
      self.state.zero_()
      return x
  )");
  const Graph graph = net.graph(Stage::frozen);
  EXPECT_TRUE(has(graph.body, "prim::GetAttr"));
  EXPECT_EQ(graph.passes[1].constants_folded, 1);
}

TEST_F(GraphTest, ReplacedAttributesStayAttributes) {
  const Model net = model(R"(
    def forward(self, x):
      self.state = self.state + x
      return self.state
  )");
  EXPECT_TRUE(has(net.graph(Stage::frozen).body, "prim::GetAttr"));
  EXPECT_TRUE(has(net.graph(Stage::frozen).body, "prim::SetAttr"));
}

TEST_F(GraphTest, ProfileStepsTheStateOnce) {
  const Model net = model(R"(
    def forward(self, x):
      self.state = self.state + x
      return self.state
  )");
  GraphOptions options;
  options.inputs = {{kX}};
  options.profile = true;
  const Graph graph = net.graph(Stage::optimized, options);
  EXPECT_TRUE(net({kX}).tensor().equal(at::full({2, 2}, 2.0)));
  for (const GraphNode& node : graph.body.nodes) {
    if (node.kind == NodeKind::constant) continue;
    EXPECT_EQ(node.executions, 1) << node.operator_name;
    EXPECT_GE(node.microseconds.value(), 0);
  }
}

TEST_F(GraphTest, ProfileCountsTheRoundsOfLoops) {
  const Model net = model(R"(
    def forward(self, x, rounds: int):
      for i in range(rounds):
        if i % 2 == 0:
          x = torch.cos(x)
        else:
          x = torch.sin(x)
      return x
  )");
  GraphOptions options;
  options.inputs = {{kX, 5}};
  options.profile = true;
  const Graph graph = net.graph(Stage::optimized, options);
  std::map<std::string, std::int64_t> executions;
  const std::function<void(const GraphBlock&)> walk = [&](const GraphBlock& block) {
    for (const GraphNode& node : block.nodes) {
      executions[node.operator_name] += node.executions;
      for (const GraphBlock& inner : node.blocks) walk(inner);
    }
  };
  walk(graph.body);
  EXPECT_EQ(executions["aten::cos"], 3);
  EXPECT_EQ(executions["aten::sin"], 2);
  EXPECT_EQ(executions["prim::If"], 5);
  EXPECT_EQ(executions["prim::Loop"], 1);
  EXPECT_EQ(graph.values[graph.body.outputs[0]].shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(graph.values[graph.body.inputs[1]].dtype, at::kFloat);
}

TEST_F(GraphTest, WhatIsLargeRandomOrEndlessIsNotComputedBeforehand) {
  const Model net = model(R"(
    def forward(self, x):
      return x + torch.zeros([1 << 16, 1 << 17])[0, 0]
    def expanded(self, x):
      return x + torch.zeros([1]).expand([1 << 40]).sum()
    def random(self, x):
      return x + torch.rand([2, 2])
    def fails(self, x):
      return x + torch.zeros([2]).view([3])
    def small(self, x):
      return x + torch.zeros([2]).unsqueeze(0)
  )");
  const auto start = std::chrono::steady_clock::now();
  for (const auto& [method, kept] : std::vector<std::pair<std::string, std::string>>{
           {"forward", "aten::zeros"},
           {"expanded", "aten::sum"},
           {"random", "aten::rand"},
           {"fails", "aten::view"}}) {
    GraphOptions options;
    options.method = method;
    EXPECT_TRUE(has(net.graph(Stage::frozen, options).body, kept)) << method;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  GraphOptions options;
  options.method = "small";
  EXPECT_FALSE(has(net.graph(Stage::frozen, options).body, "aten::zeros"));
}

TEST_F(GraphTest, ThreadsFreezeAtOnceAndWeightsStay) {
  const Model net = model("def forward(self, x): return torch.relu(x @ self.weight + 1)");
  const at::Tensor before = net({kX}).tensor();
  const std::string expected = to_string(net.graph(Stage::frozen));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) EXPECT_EQ(to_string(net.graph(Stage::frozen)), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(net({kX}).tensor().equal(before));
}

TEST_F(GraphTest, ErrorsTeach) {
  const Model net = model("def forward(self, x): return x.view([3])");
  GraphOptions options;
  options.profile = true;
  EXPECT_THROW(net.graph(Stage::optimized, options), SignatureError);
  options.inputs = {{kX}};
  EXPECT_THROW(net.graph(Stage::optimized, options), EngineError);
  options.method = "missing";
  EXPECT_THROW(net.graph(Stage::initial, options), SignatureError);
}

}  // namespace
}  // namespace torchship
