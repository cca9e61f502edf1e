// What calls do on a device that works beside its host, on one that does so at its worst: deferred/device.h.
#include "accelerator/device_call.h"

#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/info.h>
#include <torchship/model.h>

#include "accelerator/device_graph.h"
#include "deferred/device.h"
#include "engines/interpreter.h"

namespace torchship {
namespace {

using test::deferred::advance;
using test::deferred::counts;
using test::deferred::kDevice;
using test::deferred::pending;
using test::deferred::reset_counts;
using test::deferred::synchronize;

const c10::impl::VirtualGuardImpl& guard() {
  static const c10::impl::VirtualGuardImpl guard(kDevice.type());
  return guard;
}

/// Numbers that the device still has to be given.
at::Tensor on_device(double number, at::IntArrayRef sizes = {4}) {
  return at::full(sizes, number, at::TensorOptions().device(kDevice));
}

class DeviceCallTest : public testing::Test {
 protected:
  void SetUp() override {
    synchronize();
    reset_counts();
  }
};

TEST_F(DeviceCallTest, TheDeviceIsLateIndeed) {
  const at::Tensor sum = on_device(1) + on_device(2);
  const at::Tensor seen = at::empty_like(sum, sum.options().device(at::kCPU).pinned_memory(true));
  seen.fill_(-1);
  seen.copy_(sum, /*non_blocking=*/true);
  EXPECT_TRUE(at::equal(seen, at::full({4}, -1.0)));
  synchronize();
  EXPECT_TRUE(at::equal(seen, at::full({4}, 3.0)));
}

TEST_F(DeviceCallTest, InputsAreStagedAndTheHostWaitsOnceForAllResults) {
  at::Tensor x = at::full({4}, 1.0), y = at::full({4}, 2.0).unsqueeze(0).expand({3, 4});
  DeviceCall call(kDevice, /*own_stream=*/false);
  const at::Tensor a = call.take(x), b = call.take(y);
  x.fill_(100);  // The caller's own again: it was copied.
  EXPECT_EQ(a.device(), kDevice);
  const at::Tensor sum = call.give(a + b, at::kCPU), product = call.give(a * b, at::kCPU);
  EXPECT_EQ(counts().host_waits, 0U);
  call.finish();
  EXPECT_TRUE(at::equal(sum, at::full({3, 4}, 3.0)));
  EXPECT_TRUE(at::equal(product, at::full({3, 4}, 2.0)));
  EXPECT_EQ(counts().host_waits, 1U);
  EXPECT_EQ(counts().blocking_copies, 0U);
}

TEST_F(DeviceCallTest, ResultsThatStayMakeNobodyWait) {
  at::Tensor sum;
  {
    DeviceCall call(kDevice, false);
    sum = call.give(call.take(at::full({4}, 1.0)) + call.take(on_device(2)), kDevice);
    call.finish();
  }
  EXPECT_EQ(counts().host_waits, 0U);
  EXPECT_TRUE(at::equal(sum.cpu(), at::full({4}, 3.0)));
}

TEST_F(DeviceCallTest, PinnedInputsAreReadBeforeTheCallIsOver) {
  at::Tensor x = at::empty({4}, at::TensorOptions().pinned_memory(true)).fill_(1);
  at::Tensor sum;
  {
    DeviceCall call(kDevice, false);
    sum = call.give(call.take(x) + 1, kDevice);
    call.finish();
  }
  x.fill_(100);
  EXPECT_TRUE(at::equal(sum.cpu(), at::full({4}, 2.0)));
}

TEST_F(DeviceCallTest, ACallThatFailsStillWaitsForThem) {
  at::Tensor x = at::empty({4}, at::TensorOptions().pinned_memory(true)).fill_(1);
  {
    DeviceCall call(kDevice, false);
    call.take(x);
  }  // As when an exception passes.
  EXPECT_EQ(counts().host_waits, 1U);
}

TEST_F(DeviceCallTest, AnOwnStreamIsInOrderWithTheCallers) {
  const c10::Stream before = guard().getStream(kDevice);
  at::Tensor sum;
  {
    const at::Tensor x = on_device(1);  // Still to be computed, on the caller's stream.
    DeviceCall call(kDevice, true);
    EXPECT_NE(guard().getStream(kDevice), before);
    sum = call.give(call.take(x) + 1, kDevice);
    call.finish();
  }
  EXPECT_EQ(guard().getStream(kDevice), before);
  EXPECT_EQ(counts().host_waits, 0U);
  // The input by the call's stream, the result by the caller's.
  EXPECT_EQ(counts().kept_for_stream, 2U);
  EXPECT_TRUE(at::equal((sum * 2).cpu(), at::full({4}, 4.0)));
}

TEST_F(DeviceCallTest, AnOwnStreamWaitsForInputs) {
  const at::Tensor x = on_device(1);  // Still to be computed, on the caller's stream.
  DeviceCall call(kDevice, true);
  const at::Tensor sum = call.give(call.take(x) + 1, at::kCPU);
  call.finish();
  EXPECT_TRUE(at::equal(sum, at::full({4}, 2.0)));
}

TEST_F(DeviceCallTest, EachThreadKeepsItsStream) {
  const auto stream = [] {
    const DeviceCall call(kDevice, true);
    return guard().getStream(kDevice);
  };
  const c10::Stream mine = stream();
  EXPECT_EQ(stream(), mine);
  std::thread([&] { EXPECT_NE(stream(), mine); }).join();
}

TEST_F(DeviceCallTest, TheCpuHasNothingToDo) {
  const at::Tensor x = at::full({4}, 1.0);
  DeviceCall call(at::kCPU, false);
  EXPECT_TRUE(call.take(x).is_same(x));
  EXPECT_TRUE(call.give(x, at::kCPU).is_same(x));
  EXPECT_EQ(call.native_stream(), nullptr);
  EXPECT_TRUE(at::equal(call.take(on_device(2)), at::full({4}, 2.0)));
}

constexpr auto kNet = R"(
def forward(self, x, factor: float = 2.0):
  y = torch.relu(x @ self.weight + self.bias)
  return {"y": y * factor, "sum": y.sum(-1)}

def count(self, x):
  return x * int(x.sum())

def moved(self, x):
  return x + torch.ones([2, 4]).to(x.device)

def remember(self, x):
  self.bias.add_(x)
  return self.bias
)";

class AcceleratorTest : public DeviceCallTest {
 protected:
  std::unique_ptr<const Engine> engine(bool graphs, bool own_streams = false,
                                       bool with_state = false) const {
    torch::jit::Module module("Net");
    module.register_buffer("weight", at::arange(12.0).reshape({4, 3}).to(at::kFloat).to(kDevice));
    module.register_buffer("bias", at::full({3}, -3.0).to(kDevice));
    std::string code = kNet;
    if (!with_state) code.resize(code.find("\ndef remember"));
    module.define(code);
    LoadOptions options;
    options.device = kDevice;
    options.cuda_graphs = graphs;
    options.own_streams = own_streams;
    return make_interpreter(module, info(with_state), options);
  }

  static ModelInfo info(bool with_state) {
    ModelInfo info;
    info.path = "net.pt";
    info.methods = {forward(), method("count"), method("moved")};
    if (with_state) info.methods.push_back(method("remember"));
    return info;
  }

  static MethodInfo method(const std::string& name) {
    MethodInfo method;
    method.name = name;
    method.inputs = {tensor("x")};
    method.output = tensor("");
    return method;
  }

  static MethodInfo forward() {
    MethodInfo with_factor = method("forward");
    ValueSpec factor;
    factor.name = "factor";
    factor.kind = Kind::floating;
    factor.type = "float";
    factor.has_default = true;
    with_factor.inputs.push_back(factor);
    return with_factor;
  }

  static ValueSpec tensor(const std::string& name) {
    ValueSpec spec;
    spec.name = name;
    spec.kind = Kind::tensor;
    spec.type = "Tensor";
    return spec;
  }

  static Value call(const Engine& engine, const at::Tensor& x, double factor = 2,
                    const std::string& name = "forward") {
    const Value input = x, number = factor;
    MethodInfo chosen = name == "forward" ? forward() : method(name);
    BoundInputs inputs{&input};
    if (name == "forward") inputs.push_back(&number);
    return engine.run(chosen, inputs);
  }

  /// Four threads at once, twenty times each, with an input of their own.
  template <typename Call>
  static void four_callers(const Call& once) {
    std::vector<std::thread> threads;
    for (int i = 1; i <= 4; ++i) {
      threads.emplace_back([&once, i] {
        const at::Tensor x = at::full({2, 4}, static_cast<double>(i));
        for (int round = 0; round < 20; ++round) once(x);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  static at::Tensor expected(const at::Tensor& x, double factor = 2) {
    const at::Tensor weight = at::arange(12.0).reshape({4, 3}).to(at::kFloat);
    return (x.matmul(weight) - 3).relu() * factor;
  }
};

TEST_F(AcceleratorTest, CallsGiveTheCpusNumbers) {
  const auto net = engine(false);
  const at::Tensor x = at::full({2, 4}, 0.5);
  synchronize();
  reset_counts();
  const Value result = call(*net, x);
  EXPECT_TRUE(at::equal(result["y"].tensor(), expected(x)));
  EXPECT_TRUE(at::equal(result["sum"].tensor(), expected(x, 1).sum(-1)));
  EXPECT_EQ(counts().host_waits, 1U);
  EXPECT_EQ(counts().blocking_copies, 0U);
  const Value stays = call(*net, x.to(kDevice));
  EXPECT_EQ(stays["y"].tensor().device(), kDevice);
  EXPECT_TRUE(at::equal(stays["y"].tensor().cpu(), expected(x)));
}

TEST_F(AcceleratorTest, CallersWithStreamsOfTheirOwn) {
  const auto net = engine(false, /*own_streams=*/true);
  four_callers([&](const at::Tensor& x) {
    EXPECT_TRUE(at::equal(call(*net, x)["y"].tensor(), expected(x)));
    EXPECT_TRUE(at::equal((call(*net, x.to(kDevice))["y"].tensor() + 1).cpu(), expected(x) + 1));
  });
}

class GraphTest : public AcceleratorTest {
 protected:
  void SetUp() override {
    if (!missing_device_graphs(kDevice).empty()) GTEST_SKIP() << missing_device_graphs(kDevice);
    AcceleratorTest::SetUp();
  }
};

TEST_F(GraphTest, CallsThatCameBeforeAreOneLaunch) {
  const auto net = engine(true);
  for (int i = 0; i < 8; ++i) {
    const at::Tensor x = at::full({2, 4}, 0.25 * i);
    const Value result = call(*net, x);
    EXPECT_TRUE(at::equal(result["y"].tensor(), expected(x))) << i;
    EXPECT_TRUE(at::equal(result["sum"].tensor(), expected(x, 1).sum(-1))) << i;
  }
  EXPECT_EQ(counts().launches, 6U);
}

TEST_F(GraphTest, SizesAndNumbersHaveGraphsOfTheirOwn) {
  const auto net = engine(true);
  for (int round = 0; round < 5; ++round) {
    for (const std::int64_t rows : {1, 2, 3}) {
      for (const double factor : {1.5, 2.5}) {
        const at::Tensor x = at::full({rows, 4}, 0.1 * round);
        EXPECT_TRUE(at::equal(call(*net, x, factor)["y"].tensor(), expected(x, factor)));
      }
    }
  }
  EXPECT_EQ(counts().launches, 3U * 6);
}

TEST_F(GraphTest, ResultsAreTheCallersOwn) {
  const auto net = engine(true);
  const at::Tensor x = at::full({2, 4}, 1.0).to(kDevice);
  std::vector<at::Tensor> results;
  for (int i = 0; i < 5; ++i) results.push_back(call(*net, x * i)["y"].tensor());
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(at::equal(results[i].cpu(), expected(at::full({2, 4}, 1.0) * i))) << i;
  }
  EXPECT_FALSE(results.back().is_inference());
}

TEST_F(GraphTest, WhatLooksAtTheDevicesNumbersIsNoGraph) {
  const auto net = engine(true);
  const at::Tensor x = at::full({2, 4}, 1.0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(at::equal(call(*net, x, 0, "count").tensor(), x * 8)) << i;
  }
  EXPECT_EQ(counts().launches, 0U);
  const Value input = x;
  const Graph graph = net->graph(Stage::optimized, method("count"), BoundInputs{&input}, {});
  const std::string note = graph.notes.back();
  EXPECT_NE(note.find("no device graph: "), std::string::npos) << note;
  EXPECT_NE(note.find("aten::_local_scalar_dense makes the host wait"), std::string::npos) << note;
}

TEST_F(GraphTest, WhatBringsNumbersFromTheHostIsNone) {
  const auto net = engine(true);
  for (int i = 0; i < 5; ++i) {
    const at::Tensor x = at::full({2, 4}, i * 1.0);
    EXPECT_TRUE(at::equal(call(*net, x, 0, "moved").tensor(), x + 1)) << i;
  }
  EXPECT_EQ(counts().launches, 0U);
  const Value input = at::full({2, 4}, 0.0);
  const Graph graph = net->graph(Stage::optimized, method("moved"), BoundInputs{&input}, {});
  EXPECT_NE(graph.notes.back().find("aten::copy_ makes the host wait"), std::string::npos)
      << graph.notes.back();
}

TEST_F(GraphTest, WhatWritesStateIsNone) {
  const auto net = engine(true, false, /*with_state=*/true);
  const at::Tensor one = at::full({3}, 1.0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(at::equal(call(*net, one, 0, "remember").tensor(), at::full({3}, i - 2.0))) << i;
  }
  EXPECT_EQ(counts().launches, 0U);
}

TEST_F(GraphTest, ThereAreEightAtMost) {
  const auto net = engine(true);
  for (int round = 0; round < 4; ++round) {
    for (std::int64_t rows = 1; rows <= 10; ++rows) {
      const at::Tensor x = at::full({rows, 4}, 1.0);
      EXPECT_TRUE(at::equal(call(*net, x)["y"].tensor(), expected(x)));
    }
  }
  EXPECT_EQ(counts().launches, 2U * 8);
}

/// Its memory is one: whoever replays it next must wait until results were copied from there.
TEST_F(GraphTest, StreamsTakeTurnsWithOneHoweverFarTheyGot) {
  const auto net = engine(true);
  const at::Tensor x = at::full({2, 4}, 1.0), y = at::full({2, 4}, 2.0);
  const at::Tensor there_x = x.to(kDevice), there_y = y.to(kDevice);
  for (int i = 0; i < 3; ++i) call(*net, there_x);
  const c10::Stream first = guard().getNewStream(kDevice), second = guard().getNewStream(kDevice);
  const c10::Stream before = guard().exchangeStream(first);
  std::size_t works = 1;
  for (std::size_t done = 0; done < works; ++done) {
    synchronize();
    guard().exchangeStream(first);
    const at::Tensor of_x = call(*net, there_x)["y"].tensor();
    works = pending(first);
    advance(first, done);
    guard().exchangeStream(second);
    const at::Tensor of_y = call(*net, there_y)["y"].tensor();
    advance(second, pending(second));
    synchronize();
    EXPECT_TRUE(at::equal(of_x.cpu(), expected(x))) << done << " of " << works;
    EXPECT_TRUE(at::equal(of_y.cpu(), expected(y))) << done << " of " << works;
  }
  guard().exchangeStream(before);
  EXPECT_GT(works, 4U);
  EXPECT_EQ(counts().launches, 1 + 2 * works);
}

TEST_F(GraphTest, ThreadsTakeTurnsWithOne) {
  const auto net = engine(true, /*own_streams=*/true);
  four_callers([&](const at::Tensor& x) {
    EXPECT_TRUE(at::equal(call(*net, x)["y"].tensor(), expected(x)));
  });
  EXPECT_GT(counts().launches, 70U);
}

TEST(DeviceGraphTest, TheCpuHasNone) {
  EXPECT_EQ(missing_device_graphs(at::kCPU), "there are no such graphs on the CPU");
  EXPECT_EQ(make_device_graph(at::kCPU), nullptr);
}

}  // namespace
}  // namespace torchship
