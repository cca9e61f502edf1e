// Our own kernels beside LibTorch's operators: the same graph with and without them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include "graphs/visit.h"
#include "kernels/kernels.h"

namespace {

namespace jit = torch::jit;
using at::Tensor;

std::shared_ptr<jit::Graph> parse(const std::string& text, std::vector<Tensor> constants = {}) {
  auto graph = std::make_shared<jit::Graph>();
  std::unordered_map<std::string, jit::Value*> names;
  jit::parseIR(text, graph.get(), names);
  // Inputs called w0, w1, ... become constants.
  for (std::size_t i = 0; i < constants.size(); ++i) {
    jit::Value* value = names.at("w" + std::to_string(i));
    const jit::WithInsertPoint at_start(*graph->nodes().begin());
    jit::Value* constant = graph->insertConstant(constants[i]);
    value->replaceAllUsesWith(constant);
    graph->eraseInput(value->offset());
  }
  return graph;
}

Tensor run(const std::shared_ptr<jit::Graph>& graph, const std::vector<Tensor>& inputs) {
  const c10::InferenceMode inference;
  const jit::Code code(graph, "test");
  jit::Stack stack(inputs.begin(), inputs.end());
  jit::InterpreterState(code).run(stack);
  return stack.front().toTensor();
}

/// No divisor is close to zero.
Tensor shifted(const Tensor& tensor) { return at::add(tensor, 0.5); }

std::size_t count(jit::Graph& graph, const std::string& kind) {
  std::size_t found = 0;
  torchship::for_each_node(*graph.block(), [&](const jit::Node* node) {
    found += kind == node->kind().toQualString();
  });
  return found;
}

/// What the graph gives, and what it gives with the kernels; inputs must be as they were.
struct Both {
  Tensor plain;
  Tensor kernels;
};

Both run_both(const std::shared_ptr<jit::Graph>& graph, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> before;
  for (const Tensor& input : inputs) before.push_back(input.clone());
  const Tensor plain = run(graph, inputs);
  const std::shared_ptr<jit::Graph> changed = graph->copy();
  torchship::use_kernels(changed);
  const Tensor kernels = run(changed, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_TRUE(at::allclose(inputs[i], before[i], 0, 0, /*equal_nan=*/true)) << "input " << i << " was written";
  }
  return {plain, kernels};
}

constexpr const char* kChain = R"IR(
graph(%x : Tensor, %y : Tensor):
  %one : int = prim::Constant[value=1]()
  %half : float = prim::Constant[value=0.5]()
  %none : str = prim::Constant[value="none"]()
  %a : Tensor = aten::relu(%x)
  %b : Tensor = aten::add(%a, %y, %one)
  %c : Tensor = aten::mul(%y, %b)
  %d : Tensor = aten::gelu(%c, %none)
  %e : Tensor = aten::sub(%d, %half, %one)
  %f : Tensor = aten::sigmoid(%e)
  %g : Tensor = aten::div(%f, %y)
  return (%g))IR";

TEST(Reuse, GivesTheSameBits) {
  const auto graph = parse(kChain);
  const auto both = run_both(graph, {at::randn({64, 33}), shifted(at::rand({64, 33}))});
  EXPECT_TRUE(at::equal(both.plain, both.kernels));
}

TEST(Reuse, BroadcastsAndPromotesAsLibTorchDoes) {
  const auto graph = parse(kChain);
  for (const auto& [x, y] : std::vector<std::pair<Tensor, Tensor>>{
           {at::randn({4, 1}), shifted(at::rand({4, 5}))},
           {at::randn({5}), shifted(at::rand({4, 5}))},
           {at::randn({4, 5}), shifted(at::rand({4, 5}, at::kDouble))},
           {at::randn({4, 5}, at::kDouble), shifted(at::rand({}))},
           {at::randn({5, 4}).t(), shifted(at::rand({4, 5}))},
           {at::randn({4, 10}).slice(1, 0, 10, 2), shifted(at::rand({4, 5}))}}) {
    const auto both = run_both(graph, {x, y});
    EXPECT_EQ(both.plain.scalar_type(), both.kernels.scalar_type());
    EXPECT_EQ(both.plain.strides(), both.kernels.strides());
    EXPECT_TRUE(at::equal(both.plain, both.kernels));
  }
}

TEST(Reuse, SparesWhatSomebodyElseHolds) {
  // %a is used again, %v is a view of it.
  const auto graph = parse(R"IR(
graph(%x : Tensor):
  %zero : int = prim::Constant[value=0]()
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::exp(%x)
  %v : Tensor = aten::select(%a, %zero, %one)
  %b : Tensor = aten::neg(%v)
  %c : Tensor = aten::relu(%a)
  %d : Tensor = aten::add(%c, %b, %one)
  %e : Tensor = aten::mul(%d, %a)
  return (%e))IR");
  const auto both = run_both(graph, {at::randn({6, 7})});
  EXPECT_TRUE(at::equal(both.plain, both.kernels));
}

TEST(Reuse, SparesConstants) {
  const Tensor weight = at::randn({8});
  const Tensor before = weight.clone();
  const auto graph = parse(R"IR(
graph(%x : Tensor, %w0 : Tensor):
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::relu(%w0)
  %b : Tensor = aten::neg(%w0)
  %c : Tensor = aten::add(%a, %b, %one)
  %d : Tensor = aten::add(%c, %x, %one)
  return (%d))IR",
                           {weight});
  for (int call = 0; call < 3; ++call) {
    const auto both = run_both(graph, {at::randn({8})});
    EXPECT_TRUE(at::equal(both.plain, both.kernels));
  }
  EXPECT_TRUE(at::equal(weight, before));
}

TEST(Reuse, WorksInPlace) {
  const auto graph = parse(kChain);
  torchship::use_kernels(graph);
  EXPECT_EQ(count(*graph, "torchship::add"), 1U);
  EXPECT_EQ(count(*graph, "torchship::gelu"), 1U);
  EXPECT_EQ(count(*graph, "torchship::sub"), 1U);
  EXPECT_EQ(count(*graph, "aten::relu"), 0U);
}

constexpr const char* kLinear = R"IR(
graph(%x : Tensor, %w0 : Tensor, %w1 : Tensor):
  %none : str = prim::Constant[value="none"]()
  %a : Tensor = aten::linear(%x, %w0, %w1)
  %b : Tensor = aten::gelu(%a, %none)
  return (%b))IR";

TEST(Linear, GivesTheSameForAllSizes) {
  const auto graph = parse(kLinear, {at::randn({48, 32}), at::randn({48})});
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{
           {1, 32}, {7, 32}, {2, 3, 32}, {32}, {0, 32}, {64, 32}, {2048, 32}, {4, 512, 32},
           {2, 4, 256, 32}}) {
    const auto both = run_both(graph, {at::randn(sizes)});
    EXPECT_EQ(both.plain.sizes(), both.kernels.sizes());
    EXPECT_TRUE(at::allclose(both.plain, both.kernels, 1e-5, 1e-5));
  }
  for (const Tensor& strided : {at::randn({32, 2048}).t(), at::randn({32, 4}).t()}) {
    const auto both = run_both(graph, {strided});
    EXPECT_TRUE(at::allclose(both.plain, both.kernels, 1e-5, 1e-5));
  }
}

constexpr const char* kReluLinear = R"IR(
graph(%x : Tensor, %w0 : Tensor, %w1 : Tensor):
  %a : Tensor = aten::linear(%x, %w0, %w1)
  %b : Tensor = aten::relu(%a)
  return (%b))IR";

TEST(Linear, KeepsWhatIsNoNumberThroughRelu) {
  for (const std::int64_t outputs : {1, 16, 4096}) {
    for (const std::int64_t rows : {1, 64}) {
      const auto graph = parse(kReluLinear, {at::randn({outputs, 16}), at::randn({outputs})});
      Tensor x = at::randn({rows, 16});
      x[0][3] = std::numeric_limits<float>::quiet_NaN();
      if (rows > 1) x[1][2] = -std::numeric_limits<float>::infinity();
      const auto both = run_both(graph, {x});
      EXPECT_TRUE(at::allclose(both.plain, both.kernels, 1e-5, 1e-5, /*equal_nan=*/true));
    }
  }
}

TEST(Linear, LayersWithoutInputsGiveTheirBias) {
  const Tensor bias = at::randn({5});
  const auto graph = parse(kReluLinear, {at::zeros({5, 0}), bias});
  const auto both = run_both(graph, {at::zeros({3, 0})});
  EXPECT_TRUE(at::equal(both.plain, both.kernels));
}

TEST(Linear, FailsAsLibTorchDoes) {
  const auto graph = parse(kLinear, {at::randn({48, 32}), at::randn({48})});
  torchship::use_kernels(graph);
  EXPECT_EQ(count(*graph, "torchship::linear"), 1U);
  EXPECT_THROW(run(graph, {at::randn({4, 31})}), std::exception);
  EXPECT_THROW(run(graph, {at::randn({4096, 31})}), std::exception);
  EXPECT_THROW(run(graph, {at::zeros({4, 32}, at::kLong)}), std::exception);
}

constexpr const char* kConvolution = R"IR(
graph(%x : Tensor, %w0 : Tensor, %w1 : Tensor):
  %yes : bool = prim::Constant[value=1]()
  %no : bool = prim::Constant[value=0]()
  %one : int = prim::Constant[value=1]()
  %zero : int = prim::Constant[value=0]()
  %minus : int = prim::Constant[value=-1]()
  %p : int[] = prim::ListConstruct(%one, %one)
  %z : int[] = prim::ListConstruct(%zero, %zero)
  %a : Tensor = aten::conv2d(%x, %w0, %w1, %p, %p, %p, %one)
  %b : Tensor = aten::silu(%a)
  %c : Tensor = aten::relu(%b)
  %n : int = aten::size(%c, %zero)
  %s : int[] = prim::ListConstruct(%n, %minus)
  %d : Tensor = aten::view(%c, %s)
  return (%d))IR";

/// ListConstruct of constants, made constant as freezing does.
std::shared_ptr<jit::Graph> convolution(const Tensor& weight, const Tensor& bias) {
  auto graph = parse(kConvolution, {weight, bias});
  for (jit::Node* node : graph->block()->nodes()) {
    const bool constant = std::all_of(
        node->inputs().begin(), node->inputs().end(),
        [](const jit::Value* input) { return input->node()->kind() == c10::prim::Constant; });
    if (node->kind() != c10::prim::ListConstruct || !constant) continue;
    const jit::WithInsertPoint before(node);
    std::vector<std::int64_t> items;
    for (const jit::Value* input : node->inputs()) items.push_back(jit::toIValue(input)->toInt());
    node->output()->replaceAllUsesWith(graph->insertConstant(items));
  }
  return graph;
}

TEST(Convolution, GivesTheSameInTheSameOrder) {
  const auto graph = convolution(at::randn({16, 8, 3, 3}), at::randn({16}));
  for (const Tensor& x : {at::randn({2, 8, 12, 10}), at::randn({1, 8, 1, 1}),
                          at::randn({2, 8, 12, 10}).contiguous(at::MemoryFormat::ChannelsLast)}) {
    const Tensor plain = run(graph, {x.contiguous()});
    const auto changed = graph->copy();
    EXPECT_TRUE(torchship::use_kernels(changed));
    EXPECT_EQ(count(*changed, "torchship::conv2d"), 1U);
    EXPECT_EQ(count(*changed, "aten::silu"), 0U);
    EXPECT_TRUE(at::allclose(plain, run(changed, {x}), 1e-4, 1e-4));
  }
}

TEST(Convolution, KeepsNaN) {
  const auto graph = convolution(at::randn({16, 8, 3, 3}), at::randn({16}));
  torchship::use_kernels(graph);
  Tensor x = at::randn({1, 8, 12, 12});
  x.select(3, 5).fill_(std::nan(""));
  EXPECT_TRUE(run(graph, {x}).isnan().any().item<bool>());
}

TEST(Convolution, FailsAsLibTorchDoes) {
  const auto graph = convolution(at::randn({16, 8, 3, 3}), at::randn({16}));
  torchship::use_kernels(graph);
  EXPECT_THROW(run(graph, {at::randn({1, 7, 12, 12})}), std::exception);
  EXPECT_THROW(run(graph, {at::randn({1, 8, 12, 12}, at::kDouble)}), std::exception);
}

TEST(Convolution, SparesGraphsThatWriteThroughViews) {
  auto graph = parse(R"IR(
graph(%x : Tensor, %w0 : Tensor, %w1 : Tensor, %s : int[]):
  %one : int = prim::Constant[value=1]()
  %p : int[] = prim::Constant[value=[1, 1]]()
  %a : Tensor = aten::conv2d(%x, %w0, %w1, %p, %p, %p, %one)
  %v : Tensor = aten::view(%a, %s)
  %r : Tensor = aten::relu_(%v)
  return (%a))IR",
                     {at::randn({16, 8, 3, 3}), at::randn({16})});
  EXPECT_FALSE(torchship::use_kernels(graph));
  EXPECT_EQ(count(*graph, "aten::conv2d"), 1U);
  EXPECT_EQ(count(*graph, "aten::view"), 1U);
}

}  // namespace
