#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/ir/irparser.h>

#include <atomic>
#include <random>
#include <thread>

#include "planned/arena.h"
#include "planned/call_key.h"
#include "planned/planned_program.h"
#include "planned/same_values.h"
#include "team.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

Program program_of(const std::string& text) {
  auto graph = std::make_shared<jit::Graph>();
  jit::parseIR(text, graph.get());
  Program program(c10::FunctionSchema("forward", "", {}, {}), graph);
  program.frozen = graph;
  return program;
}

c10::IValue run(PlannedProgram& planned, const std::vector<c10::IValue>& arguments) {
  const c10::InferenceMode inference;
  std::vector<c10::IValue> stack{c10::IValue()};
  stack.insert(stack.end(), arguments.begin(), arguments.end());
  planned.run(stack);
  return stack.at(0);
}

/// The plan for these arguments; its notes say why there is none.
Graph describe(PlannedProgram& planned, const std::vector<c10::IValue>& arguments) {
  const c10::InferenceMode inference;
  std::vector<c10::IValue> stack{c10::IValue()};
  stack.insert(stack.end(), arguments.begin(), arguments.end());
  return planned.describe(stack, {.times = true});
}

std::vector<std::string> kernels(const Graph& graph) {
  std::vector<std::string> names;
  for (const GraphNode& node : graph.body.nodes) names.push_back(node.operator_name);
  return names;
}

using Names = std::vector<std::string>;

TEST(Arena, BuffersThatAreAliveTogetherDoNotOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers(40);
    std::size_t all = 0;
    for (Buffer& buffer : buffers) {
      buffer.bytes = random() % 5000;
      buffer.first_step = random() % 30;
      buffer.last_step = buffer.first_step + random() % 5;
      all += buffer.bytes + 64;
    }
    const std::size_t whole = place_buffers(buffers);
    EXPECT_LT(whole, all / 2);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const Buffer& a = buffers[i];
      EXPECT_EQ(a.offset % 64, 0U);
      EXPECT_LE(a.offset + a.bytes, whole);
      for (std::size_t k = 0; k < i; ++k) {
        const Buffer& b = buffers[k];
        if (a.last_step < b.first_step || b.last_step < a.first_step) continue;
        EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
      }
    }
  }
}

TEST(CallKey, TellsSizesDtypesAndNone) {
  const auto key = [](const c10::IValue& value) { return call_key({value}); };
  EXPECT_EQ(key(at::zeros({2, 3})), key(at::ones({2, 3})));
  EXPECT_NE(key(at::zeros({2, 3})), key(at::zeros({3, 2})));
  EXPECT_NE(key(at::zeros({2, 3})), key(at::zeros({2, 3}, at::kDouble)));
  EXPECT_NE(key(at::zeros({6})), key(at::zeros({2, 3})));
  EXPECT_NE(key(c10::IValue()), key(at::zeros({1})));
  EXPECT_NE(key(c10::List<at::Tensor>({at::zeros({1})})),
            key(c10::List<at::Tensor>({at::zeros({2})})));
  EXPECT_EQ(key(1), key(2));
}

TEST(Team, EveryShareRunsOnce) {
  for (const int threads : {1, 2, 3}) {
    std::atomic<int> seen = 0, counts = 0;
    run_team(threads, [&](compute::Share share) {
      seen += 1 << share.index;
      counts = share.count;
    });
    EXPECT_EQ(seen, (1 << counts) - 1);
    EXPECT_LE(counts, threads);
  }
}

TEST(Team, RunsAloneInsideOfAParallelRegion) {
  std::atomic<int> runs = 0;
  run_team(2, [&](compute::Share) { run_team(2, [&](compute::Share) { ++runs; }); });
  EXPECT_GE(runs, 1);
  EXPECT_LE(runs, 4);
}

TEST(SameValues, SeesWhatDiffers) {
  const at::Tensor x = at::rand({10});
  EXPECT_EQ(difference(x, x), "");
  EXPECT_EQ(difference(x, x + 1e-6), "");
  EXPECT_NE(difference(x, x + 1e-3), "");
  EXPECT_NE(difference(x, x.to(at::kDouble)), "");
  EXPECT_NE(difference(x, x.reshape({2, 5})), "");
  const at::Tensor broken = at::full({1}, NAN);
  EXPECT_EQ(difference(broken, broken.clone()), "");
  EXPECT_NE(difference(broken, at::zeros({1})), "");
}

constexpr const char* kPointwise = R"IR(
graph(%self, %x : Tensor, %y : Tensor):
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::mul(%x, %y)
  %b : Tensor = aten::add(%a, %x, %one)
  %c : Tensor = aten::relu(%b)
  %d : Tensor = aten::tanh(%c)
  return (%d)
)IR";

TEST(Planned, PointwiseOperatorsAreOneKernel) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  const at::Tensor x = at::randn({5, 7}), y = at::randn({7});
  const at::Tensor expected = at::tanh(at::relu(x * y + x));
  for (int call = 0; call < 3; ++call) {
    EXPECT_TRUE(at::allclose(run(planned, {x, y}).toTensor(), expected, 1e-5, 1e-6));
  }
  EXPECT_EQ(kernels(describe(planned, {x, y})), Names{"torchship::pointwise"});
}

TEST(Planned, OtherSizesAndStridesGetTheirOwnPlans) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  for (const std::int64_t rows : {1, 3, 64, 1}) {
    const at::Tensor x = at::randn({9, rows}).t(), y = at::randn({rows, 1});
    const at::Tensor expected = at::tanh(at::relu(x * y + x));
    EXPECT_TRUE(at::allclose(run(planned, {x, y}).toTensor(), expected, 1e-5, 1e-6));
  }
}

TEST(Planned, OtherDtypesRunInLibTorch) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  const at::Tensor x = at::randn({4}, at::kDouble), y = at::randn({4}, at::kDouble);
  EXPECT_TRUE(run(planned, {x, y}).toTensor().equal(at::tanh(at::relu(x * y + x))));
  const Graph graph = describe(planned, {x, y});
  EXPECT_TRUE(graph.body.nodes.empty());
  EXPECT_NE(graph.notes.at(0).find("no operator has a kernel"), std::string::npos);
}

TEST(Planned, WhatDataDecideOnRunsInLibTorchWithinThePlan) {
  const Program program = program_of(R"IR(
graph(%self, %x : Tensor):
  %one : int = prim::Constant[value=1]()
  %zero : int = prim::Constant[value=0]()
  %none : NoneType = prim::Constant()
  %a : Tensor = aten::relu(%x)
  %positive : Tensor = aten::nonzero(%a)
  %b : Tensor = aten::mul(%a, %a)
  %r : (Tensor, Tensor) = prim::TupleConstruct(%positive, %b)
  return (%r)
)IR");
  PlannedProgram planned(program, {});
  for (const auto& values : {at::tensor({1.0F, -1.0F, 2.0F}), at::tensor({-1.0F, -1.0F, 2.0F})}) {
    const auto result = run(planned, {values}).toTuple();
    EXPECT_TRUE(result->elements()[0].toTensor().equal(at::nonzero(at::relu(values))));
    EXPECT_TRUE(result->elements()[1].toTensor().equal(at::relu(values).square()));
  }
}

TEST(Planned, BranchesOnSizesAreTaken) {
  const Program program = program_of(R"IR(
graph(%self, %x : Tensor):
  %one : int = prim::Constant[value=1]()
  %zero : int = prim::Constant[value=0]()
  %n : int = aten::size(%x, %zero)
  %many : bool = aten::gt(%n, %one)
  %r : Tensor = prim::If(%many)
    block0():
      %a : Tensor = aten::relu(%x)
      -> (%a)
    block1():
      %b : Tensor = aten::neg(%x)
      -> (%b)
  return (%r)
)IR");
  PlannedProgram planned(program, {});
  const at::Tensor one = at::randn({1, 4}), two = at::randn({2, 4});
  EXPECT_TRUE(run(planned, {one}).toTensor().equal(-one));
  EXPECT_TRUE(run(planned, {two}).toTensor().equal(at::relu(two)));
  EXPECT_EQ(kernels(describe(planned, {two})), Names{"torchship::pointwise"});
}

TEST(Planned, WritesInPlaceAreReplacedOrRefused) {
  const Program program = program_of(R"IR(
graph(%self, %x : Tensor):
  %one : int = prim::Constant[value=1]()
  %a : Tensor = aten::mul(%x, %x)
  %b : Tensor = aten::relu_(%a)
  %c : Tensor = aten::add(%b, %a, %one)
  return (%c)
)IR");
  PlannedProgram planned(program, {});
  const at::Tensor x = at::randn({8});
  EXPECT_TRUE(at::allclose(run(planned, {x}).toTensor(), 2 * x * x));
  const Program writer = program_of(R"IR(
graph(%self, %x : Tensor):
  %a : Tensor = aten::relu_(%x)
  return (%a)
)IR");
  PlannedProgram refused(writer, {});
  const at::Tensor y = at::randn({8});
  const at::Tensor expected = at::relu(y);
  EXPECT_TRUE(run(refused, {y}).toTensor().equal(expected));
  EXPECT_TRUE(y.equal(expected));
}

/// Three times linear(tanh(x), weight).
std::shared_ptr<torch::jit::Graph> three_products() {
  auto graph = std::make_shared<torch::jit::Graph>();
  graph->addInput("self");
  torch::jit::Value* value = graph->addInput("x");
  const at::Tensor weight = at::randn({64, 64});
  for (int layer = 0; layer < 3; ++layer) {
    torch::jit::Value* const bent = graph->insert(c10::aten::tanh, {value});
    torch::jit::Value* const own = graph->insertConstant(weight);
    value = graph->insert(c10::aten::linear, {bent, own, graph->insertConstant(c10::IValue())});
  }
  graph->registerOutput(value);
  return graph;
}

TEST(Planned, ErrorsAreThoseOfEachKernelAlone) {
  at::manual_seed(0);  // LibTorch's generator starts anywhere, and errors depend on the numbers.
  const auto graph = three_products();
  Program program(c10::FunctionSchema("forward", "", {}, {}), graph);
  program.frozen = graph;
  const at::Tensor x = at::randn({4, 64});
  const auto errors = [&](compute::Format weights) {
    PlannedProgram planned(program, {.must_pay = false, .weights = weights});
    const c10::InferenceMode inference;
    return planned.describe({c10::IValue(), x}, {.times = false, .errors = true}).body.nodes;
  };
  for (const GraphNode& node : errors(compute::Format::float32)) {
    ASSERT_TRUE(node.error) << node.operator_name;
    EXPECT_LT(*node.error, 1e-6) << node.operator_name;
  }
  int products = 0;
  for (const GraphNode& node : errors(compute::Format::int8)) {
    const bool is_product = node.operator_name == "torchship::multiply";
    products += is_product ? 1 : 0;
    // The error of one product, not of all before it: they do not grow from layer to layer.
    EXPECT_LT(*node.error, is_product ? 0.03 : 1e-6) << node.operator_name;
    EXPECT_EQ(*node.error > 1e-3, is_product) << node.operator_name;
  }
  EXPECT_EQ(products, 3);
}

TEST(Planned, ResultsAreTheCallersOwn) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  const at::Tensor x = at::randn({16}), y = at::randn({16});
  const at::Tensor first = run(planned, {x, y}).toTensor();
  const at::Tensor copy = first.clone();
  run(planned, {y, x});
  EXPECT_TRUE(first.equal(copy));
}

TEST(Planned, ContainersThatLibTorchMakesOwnTheirTensors) {
  const Program program = program_of(R"IR(
graph(%self, %x : Tensor):
  %one : int = prim::Constant[value=1]()
  %key : str = prim::Constant[value="k"]()
  %a : Tensor = aten::add(%x, %x, %one)
  %b : Tensor = aten::mul(%x, %x)
  %any : Any[] = prim::ListConstruct(%a, %one)
  %t : (Any[], Tensor) = prim::TupleConstruct(%any, %b)
  %d : Dict(str, (Any[], Tensor)) = prim::DictConstruct(%key, %t)
  return (%d)
)IR");
  const at::Tensor x = at::arange(8).to(at::kFloat);
  std::vector<c10::IValue> results;
  {
    PlannedProgram planned(program, {});
    results = {run(planned, {x}), run(planned, {x})};
    run(planned, {x * 0});
  }
  for (const c10::IValue& result : results) {
    const auto pair = result.toGenericDict().at("k").toTuple();
    EXPECT_TRUE(pair->elements()[0].toListRef()[0].toTensor().equal(x + x));
    EXPECT_TRUE(pair->elements()[1].toTensor().equal(x * x));
  }
}

TEST(Planned, ManyThreadsGetTheSame) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  const at::Tensor x = at::randn({100, 100}), y = at::randn({100});
  const at::Tensor expected = run(planned, {x, y}).toTensor();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 50; ++call) {
        if (!run(planned, {x, y}).toTensor().equal(expected)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Planned, FailuresAreLibTorchs) {
  const Program program = program_of(kPointwise);
  PlannedProgram planned(program, {});
  EXPECT_THROW(run(planned, {at::randn({2, 3}), at::randn({4})}), std::exception);
}

}  // namespace
}  // namespace torchship
