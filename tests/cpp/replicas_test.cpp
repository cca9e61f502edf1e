#include "engines/replicas.h"

#include <set>
#include <thread>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torchship/model.h>

#include "graphs/visit.h"
#include "test_files.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

template <typename Work>
void on_a_thread(const Work& work) {
  std::thread(work).join();
}

std::set<const void*> weights_of(const Program& program) {
  std::set<const void*> weights;
  for_each_node(*program.graph->block(), [&](const jit::Node* node) {
    const auto value = node->kind() == c10::prim::Constant ? jit::toIValue(node->output())
                                                           : std::nullopt;
    if (value && value->isTensor()) weights.insert(value->toTensor().const_data_ptr());
  });
  return weights;
}

TEST(Replicas, EveryThreadHasItsOwnWithTheSameWeights) {
  const auto graph = std::make_shared<jit::Graph>();
  graph->addInput("self");
  jit::Value* const x = graph->addInput("x");
  jit::Value* const weight = graph->insertConstant(at::randn({8}));
  graph->registerOutput(graph->insert(c10::aten::mul, {x, weight}));
  const c10::FunctionSchema schema("forward", "", {}, {});
  const ReplicatedProgram program(Program(schema, graph));
  const Program* mine = &program.here();
  EXPECT_EQ(mine, &program.first());
  EXPECT_EQ(&program.here(), mine);
  on_a_thread([&] {
    const Program& other = program.here();
    EXPECT_NE(&other, mine);
    EXPECT_EQ(&program.here(), &other);
    EXPECT_EQ(weights_of(other), weights_of(*mine));
    std::vector<c10::IValue> stack = {c10::IValue(), at::randn({8})};
    other.run(stack);
    EXPECT_EQ(stack.front().toTensor().numel(), 8);
  });
}

TEST(Replicas, ResultsOfNoThreadAliasTheWeights) {
  const test::TempFolder folder;
  jit::Module module("Net");
  module.register_parameter("weight", at::randn({4}), false);
  module.define("def forward(self, x):\n  return self.weight\n");
  module.save((folder / "m.pt").string());
  const Model model(folder / "m.pt");
  const at::Tensor x = at::randn({1});
  const at::Tensor before = model({x}).tensor().clone();
  for (int thread = 0; thread < 3; ++thread) {
    on_a_thread([&] { model({x}).tensor().zero_(); });
  }
  EXPECT_TRUE(at::equal(model({x}).tensor(), before));
}

}  // namespace
}  // namespace torchship
