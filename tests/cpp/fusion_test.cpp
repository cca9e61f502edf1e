// LibTorch's stock builds make no kernels for the CPU. Its own switches let the fuser make them for its
// evaluator, which runs everywhere: the mechanism is the one that makes kernels for CUDA.
#include "engines/fusion.h"

#include <atomic>
#include <thread>

#include <ATen/ops/allclose.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>
#include <torch/csrc/jit/tensorexpr/kernel.h>
#include <torchship/model.h>

#include "test_files.h"

namespace torchship {
namespace {

using test::TempFolder;

constexpr auto kArticle = R"(
def forward(self, a, b, c, d):
  x = a * b
  x = x + c
  x = torch.relu(x)
  return torch.matmul(x, d)
)";

class FusionTest : public testing::Test {
 protected:
  void SetUp() override {
    torch::jit::overrideCanFuseOnCPU(true);
    torch::jit::tensorexpr::getTEMustUseLLVMOnCPU() = false;
  }
  void TearDown() override {
    torch::jit::tensorexpr::getTEMustUseLLVMOnCPU() = true;
    torch::jit::overrideCanFuseOnCPU(false);
  }

  Model model(const std::string& code) const {
    torch::jit::Module module("Net");
    module.register_buffer("state", at::zeros({4, 4}));
    module.define(code + "\n");
    module.save((folder_ / "m.pt").string());
    LoadOptions options;
    options.engine = "interpreter";  // Plans take the same operators into kernels of their own.
    return Model(folder_ / "m.pt", options);
  }

  static std::vector<Value> inputs(std::int64_t rows, std::int64_t columns = 40) {
    // On the CPU the fuser takes products of matrices too; not those of stacks of them.
    return {at::rand({2, rows, columns}), at::rand({2, rows, columns}),
            at::rand({2, rows, columns}), at::rand({columns, 50})};
  }

  static at::Tensor expected(const std::vector<Value>& in) {
    return (in[0].tensor() * in[1].tensor() + in[2].tensor()).relu().matmul(in[3].tensor());
  }

  static std::vector<std::string> names(const GraphBlock& block) {
    std::vector<std::string> names;
    for (const GraphNode& node : block.nodes) {
      if (node.kind != NodeKind::constant) names.push_back(node.operator_name);
    }
    return names;
  }

  TempFolder folder_;
};

TEST_F(FusionTest, ThreeOfTheArticlesFourOperatorsAreOneKernel) {
  const Model net = model(kArticle);
  const Graph graph = net.graph_for(inputs(30));
  EXPECT_EQ(names(graph.body),
            (std::vector<std::string>{"prim::TensorExprGroup", "aten::matmul"}));
  const GraphNode* kernel = nullptr;
  for (const GraphNode& node : graph.body.nodes) {
    if (node.kind == NodeKind::kernel) kernel = &node;
  }
  ASSERT_NE(kernel, nullptr);
  ASSERT_EQ(kernel->blocks.size(), 1U);
  EXPECT_EQ(names(kernel->blocks[0]),
            (std::vector<std::string>{"aten::mul", "aten::add", "aten::relu"}));
  EXPECT_EQ(count_operators(graph.body), 4U);
  EXPECT_EQ(graph.values[kernel->outputs[0]].shape, (std::vector<std::int64_t>{2, 30, 40}));
}

TEST_F(FusionTest, ResultsStayTheSameForAnyShape) {
  const Model net = model(kArticle);
  for (const std::int64_t rows : {30, 30, 30, 7, 7, 1, 30, 2, 3, 4, 5, 6, 8, 9, 9, 10, 10}) {
    const std::vector<Value> in = inputs(rows);
    EXPECT_TRUE(at::allclose(net(in).tensor(), expected(in), 1e-5, 1e-5)) << rows;
  }
  // Another dtype, and a tensor that is broadcast, under a signature that has a kernel or has none.
  std::vector<Value> in = inputs(30);
  for (Value& value : in) value = value.tensor().to(at::kDouble);
  for (int call = 0; call < 3; ++call) {
    EXPECT_TRUE(at::allclose(net(in).tensor(), expected(in)));
  }
}

TEST_F(FusionTest, StridesThatDifferGoAroundTheKernel) {
  const Model net = model(kArticle);
  std::vector<Value> in = inputs(40);
  for (int call = 0; call < 3; ++call) net(in);
  in[0] = in[0].tensor().transpose(1, 2);
  EXPECT_TRUE(at::allclose(net(in).tensor(), expected(in), 1e-5, 1e-5));
}

TEST_F(FusionTest, ThreadsShareThePrograms) {
  const Model net = model(kArticle);
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < 20; ++call) {
        const std::vector<Value> in = inputs(10 + (i + call) % 3);
        right += at::allclose(net(in).tensor(), expected(in), 1e-5, 1e-5) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

TEST_F(FusionTest, MethodsThatWriteStateRunPlain) {
  const Model net = model(R"(
    def forward(self, x):
      self.state.add_(x).mul_(2)
      return self.state + 1
  )");
  const Graph graph = net.graph_for({at::rand({4, 4})});
  for (const std::string& name : names(graph.body)) EXPECT_NE(name, "prim::TensorExprGroup");
  ASSERT_FALSE(graph.notes.empty());
  EXPECT_HAS(graph.notes.front(), "writes the state");
}

TEST_F(FusionTest, NeighboursThatCannotFuseAreNoted) {
  const Model net = model("def forward(self, x, y): return torch.matmul(x, y)");
  const Graph graph = net.graph_for({at::rand({2, 30, 40}), at::rand({40, 50})});
  EXPECT_EQ(names(graph.body), (std::vector<std::string>{"aten::matmul"}));
  EXPECT_HAS(graph.notes.front(), "nothing is fused: there are no two neighbours");
}

TEST(Fusion, StaysOffWhereLibTorchCannot) {
  EXPECT_FALSE(can_fuse(at::kCPU));
}

}  // namespace
}  // namespace torchship
