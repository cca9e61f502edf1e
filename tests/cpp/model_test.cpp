#include <torchship/model.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using test::refusal;
using test::TempFolder;
namespace fs = std::filesystem;

/// What the error said that `action` threw; empty if it threw none.
template <typename Error, typename Action>
std::string complaint(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
    return error.what();
  }
  return {};
}

class ModelTest : public testing::Test {
 protected:
  fs::path save(const torch::jit::Module& module, const char* name = "m.pt") const {
    module.save((folder_ / name).string());
    return folder_ / name;
  }

  /// An archive of a module without state, of this code.
  fs::path save(const std::string& code, const char* name = "m.pt") const {
    torch::jit::Module module("Net");
    module.define(code + "\n");
    return save(module, name);
  }

  Model model(const std::string& code) const { return Model(save(code)); }

  /// Multiplies by a parameter that requires a gradient: ones of [3, 2].
  fs::path save_linear(const char* name = "m.pt") const {
    torch::jit::Module module("Net");
    module.register_parameter("weight", at::ones({3, 2}).requires_grad_(), false);
    module.define(R"(
      def forward(self, x):
        return torch.mm(x, self.weight)
      def weights(self):
        return self.weight
      def all_weights(self):
        return {"w": [self.weight, self.weight.t()]}
    )");
    return save(module, name);
  }

  TempFolder folder_;
};

constexpr auto kAddOne = "def forward(self, x): return x + 1";

const Value kX = at::zeros({1, 3});

TEST_F(ModelTest, IsAFunction) {
  const Model net = model(kAddOne);
  EXPECT_TRUE(net({kX}).tensor().equal(at::ones({1, 3})));
  EXPECT_TRUE(net.run({{"x", kX}}).tensor().equal(at::ones({1, 3})));
  EXPECT_TRUE(net.call("forward", {}, {{"x", kX}}).tensor().equal(at::ones({1, 3})));
  EXPECT_EQ(net.device(), at::kCPU);
  EXPECT_EQ(net.info().format, "torchscript");
  EXPECT_EQ(net.info().class_name, "__torch__.Net");
  EXPECT_EQ(net.info().default_method, "forward");
  EXPECT_EQ(net.info().path, folder_ / "m.pt");
  EXPECT_EQ(to_string(*net.info().find("forward")), "forward(x: Tensor) -> Tensor");
}

TEST_F(ModelTest, CallsOtherMethodsWithDefaults) {
  const Model net = model(R"(
    def forward(self, x):
      return x
    def scale(self, x, by: int = 2, shift: float = 0.5):
      return x * by + shift
  )");
  const Value one = at::ones({2});
  EXPECT_TRUE(net.call("scale", {one}).tensor().equal(at::full({2}, 2.5)));
  EXPECT_TRUE(net.call("scale", {one, 3}).tensor().equal(at::full({2}, 3.5)));
  EXPECT_TRUE(net.call("scale", {one}, {{"shift", 1}}).tensor().equal(at::full({2}, 3.0)));
}

TEST_F(ModelTest, HintsAtTheSignature) {
  const Model net = model(std::string(kAddOne) + "\ndef other(self, x, k: int): return x + k");
  const std::string path = net.info().path.string();
  EXPECT_EQ(complaint<SignatureError>([&] { net({}); }),
            path + ": forward: input 'x' (Tensor) is missing\n"
                   "the method is forward(x: Tensor) -> Tensor");
  EXPECT_EQ(complaint<SignatureError>([&] { net.call("missing", {}); }),
            path + ": has no method 'missing'\nits methods are forward, other");
  EXPECT_HAS(complaint<SignatureError>([&] { net.call("other", {kX, 1.5}); }),
             path + ": other: input 'k': expected int, got float 1.5");
  EXPECT_HAS(complaint<SignatureError>([&] { net.run({{"y", kX}}); }), "has no input named 'y'");
}

TEST_F(ModelTest, CallsTheMethodThatRTorchEvaluatesWith) {
  const Model net = model(R"(
    def trainforward(self, x):
      return x - 1
    def evalforward(self, x):
      return x + 1
  )");
  EXPECT_EQ(net.info().default_method, "evalforward");
  EXPECT_TRUE(net({kX}).tensor().equal(at::ones({1, 3})));
}

TEST_F(ModelTest, CallsTheOnlyMethodOrNone) {
  EXPECT_EQ(model("def encode(self, x): return x").info().default_method, "encode");
  const Model net = model("def encode(self, x): return x\ndef decode(self, x): return x");
  EXPECT_EQ(net.info().default_method, "");
  EXPECT_HAS(complaint<SignatureError>([&] { net({kX}); }), "call one by name: encode, decode");
  EXPECT_TRUE(net.call("encode", {kX}).is_tensor());
}

TEST_F(ModelTest, ReturnsEachKind) {
  const Model net = model(R"(
    def a_dict(self, x) -> Dict[str, Tensor]:
      return {"b": x, "a": x + 1}
    def a_tuple(self, x) -> Tuple[Tensor, int, float]:
      return (x, 3, 0.5)
    def a_list(self, x) -> List[Tensor]:
      return [x, x + 1]
    def a_string(self, x: str) -> str:
      return x + "!"
    def a_bool(self, x) -> bool:
      return x.dim() == 2
    def nothing(self, x: Optional[Tensor]) -> Optional[Tensor]:
      return x
    def nested(self, x: Dict[str, List[int]]) -> List[int]:
      return x["k"]
  )");
  const Value dict = net.call("a_dict", {kX});
  EXPECT_EQ(dict.entries().at(0).first.string(), "b");
  EXPECT_TRUE(dict["a"].tensor().equal(at::ones({1, 3})));
  const Value tuple = net.call("a_tuple", {kX});
  EXPECT_EQ(tuple.kind(), Kind::tuple);
  EXPECT_EQ(tuple[1].integer(), 3);
  EXPECT_EQ(tuple[2].floating(), 0.5);
  EXPECT_EQ(net.call("a_list", {kX}).size(), 2u);
  EXPECT_EQ(net.call("a_string", {"hi"}).string(), "hi!");
  EXPECT_TRUE(net.call("a_bool", {kX}).boolean());
  EXPECT_TRUE(net.call("nothing", {Value()}).is_none());
  EXPECT_EQ(net.call("nested", {Value::dict({{"k", Value::list({4})}})})[0].integer(), 4);
}

/// Calls `action(thread, call)` 200 times on each of 8 threads.
template <typename Action>
void on_threads(const Action& action) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&action, thread] {
      for (int call = 0; call < 200; ++call) action(thread, call);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ModelTest, ServesManyThreads) {
  const Model net(save_linear());
  std::atomic<int> wrong = 0;
  on_threads([&](int thread, int call) {
    const double number = thread * 1000 + call;
    const Value result = net({at::full({1, 3}, number)});
    wrong += result.tensor().equal(at::full({1, 2}, 3 * number)) ? 0 : 1;
  });
  EXPECT_EQ(wrong, 0);
}

TEST_F(ModelTest, ServesStateOneCallAtATime) {
  torch::jit::Module module("Net");
  module.register_attribute("calls", c10::IntType::get(), std::int64_t{0});
  module.register_buffer("total", at::zeros({1}));
  module.define(R"(
    def forward(self, x) -> Tuple[int, Tensor]:
      self.calls = self.calls + 1
      self.total.add_(x)
      return (self.calls, self.total)
  )");
  const Model net(save(module));
  const Model copy = net;  // NOLINT: the state is shared.
  std::mutex lock;
  std::set<std::int64_t> counts;
  std::set<double> totals;
  on_threads([&](int thread, int) {
    const Value result = (thread % 2 == 0 ? net : copy)({at::ones({1})});
    const std::lock_guard guard(lock);
    counts.insert(result[0].integer());
    totals.insert(result[1].tensor().item<double>());
  });
  EXPECT_EQ(counts.size(), 1600u);
  EXPECT_EQ(*counts.rbegin(), 1600);
  EXPECT_EQ(totals.size(), 1600u);
  EXPECT_EQ(*totals.rbegin(), 1600.0);
}

TEST_F(ModelTest, NeedsNoFileAfterLoading) {
  const Model net(save_linear());
  save("def forward(self, x): return x - 1", "new.pt");
  fs::rename(folder_ / "new.pt", folder_ / "m.pt");
  EXPECT_TRUE(net({kX}).tensor().equal(at::zeros({1, 2})));
  fs::remove(folder_ / "m.pt");
  EXPECT_TRUE(net({at::ones({1, 3})}).tensor().equal(at::full({1, 2}, 3.0)));
}

TEST_F(ModelTest, KeepsItsWeightsToItself) {
  const Model net(save_linear());
  const at::Tensor weight = net.call("weights", {}).tensor();
  weight.zero_();
  const Value all = net.call("all_weights", {});
  all["w"][0].tensor().zero_();
  all["w"][1].tensor().zero_();
  EXPECT_TRUE(net.call("weights", {}).tensor().equal(at::ones({3, 2})));
  EXPECT_TRUE(net({at::ones({1, 3})}).tensor().equal(at::full({1, 2}, 3.0)));
}

TEST_F(ModelTest, ReturnsOrdinaryTensors) {
  const Model net(save_linear());
  for (const at::Tensor& result :
       {net({at::ones({1, 3})}).tensor(), net.call("weights", {}).tensor(),
        net({at::ones({1, 3}).requires_grad_()}).tensor()}) {
    EXPECT_FALSE(result.is_inference());
    EXPECT_FALSE(result.requires_grad());
    // Ordinary tensors may be changed, and take part in training.
    EXPECT_NO_THROW(result.add_(1));
    EXPECT_NO_THROW(at::ones({1}).requires_grad_().mul(result).sum().backward());
  }
}

TEST_F(ModelTest, ReturnsViewsOfInputsThatMayBeChanged) {
  const at::Tensor view = model("def forward(self, x): return x.t()")({kX}).tensor();
  EXPECT_FALSE(view.is_inference());
  EXPECT_NO_THROW(at::ones({1}).requires_grad_().mul(view).sum().backward());
  EXPECT_NO_THROW(view.add_(0));
}

TEST_F(ModelTest, LeavesTheCallersModesAlone) {
  const Model net(save_linear());
  EXPECT_TRUE(at::GradMode::is_enabled());
  net({kX});
  EXPECT_ANY_THROW(net({at::zeros({1, 4})}));
  EXPECT_TRUE(at::GradMode::is_enabled());
  const at::NoGradGuard no_grad;
  net({kX});
  EXPECT_FALSE(at::GradMode::is_enabled());
}

TEST_F(ModelTest, SaysWhatFailed) {
  const Model net(save_linear());
  const std::string said = complaint<EngineError>([&] { net({at::zeros({1, 4})}); });
  EXPECT_HAS(said, net.info().path.string() + ": forward failed: mat1 and mat2 shapes cannot be "
                                              "multiplied (1x4 and 3x2)");
  EXPECT_HAS(said, "\nthe inputs were x: float32[1, 4]");
  EXPECT_HAS(complaint<EngineError>([&] { net({at::zeros({1, 3}, at::kDouble)}); }),
             "convert the input to the dtype");
  EXPECT_TRUE(net({kX}).is_tensor());
}

TEST_F(ModelTest, RefusesWhatIsNoModel) {
  const auto refused = [](const fs::path& path) { return refusal([&] { Model net(path); }); };
  EXPECT_EQ(refused(folder_ / "none.pt"), (folder_ / "none.pt").string() + ": no such file");
  EXPECT_HAS(refused(folder_.path()), ": is a directory, not a file");
  EXPECT_HAS(refused(folder_.file("empty.pt", "")), "empty.pt: the file is empty");
  const std::string whole = test::bytes_of_file(save_linear());
  EXPECT_NE(refused(folder_.file("cut.pt", whole.substr(0, whole.size() / 2))), "");
}

/// An archive with hostile descriptions.
std::string archive_of(const std::string& data, const std::string& constants) {
  return test::zip_of({test::stored("m/version", "3\n"), test::stored("m/data.pkl", data),
                       test::stored("m/constants.pkl", constants),
                       test::stored("m/code/__torch__.py", "class Net(Module):\n  pass\n")});
}

TEST_F(ModelTest, RefusesAClassNameOfTwoLines) {
  const std::string data("\x80\x02U\x03" "a\nb)\x81}b.");
  const fs::path path = folder_.file("m.pt", archive_of(data, ")."));
  EXPECT_HAS(complaint<ArchiveError>([&] { read_info(path); }), "holds no module");
}

TEST_F(ModelTest, SurvivesATensorThatContainsItself) {
  const std::string data("c__torch__\nNet\n)\x81}b.");
  // l = []; l.append(_rebuild_parameter(*l)); (l[0],)
  const std::string loop("]q\2ctorch._utils\n_rebuild_parameter\nh\2Rq\1" "0h\2h\1a0(h\1t.");
  const fs::path path = folder_.file("m.pt", archive_of(data, loop));
  const auto read = [&] {
    try {
      read_info(path);
    } catch (const ArchiveError&) {
    }
    // Without the search for leaks, which knows nothing of threads that a fork left behind.
    std::_Exit(0);
  };
  EXPECT_EXIT(read(), testing::ExitedWithCode(0), "");  // It would overflow the stack.
}

TEST_F(ModelTest, RefusesDevicesThatAreNotThere) {
  EXPECT_EQ(parse_device("cpu"), at::kCPU);
  for (const char* name : {"", "gpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "cuda:128"}) {
    EXPECT_NE(complaint<DeviceError>([&] { parse_device(name); }), "") << name;
  }
  const fs::path path = save(kAddOne);
  EXPECT_THROW(Model(path, {.device = at::kMeta}), DeviceError);
  if (at::detail::getCUDAHooks().isBuilt()) GTEST_SKIP() << "this LibTorch has CUDA";
  EXPECT_HAS(complaint<DeviceError>([] { parse_device("cuda"); }), "has no CUDA support");
  EXPECT_HAS(complaint<DeviceError>([&] { Model(path, {.device = at::kCUDA}); }),
             "use device 'cpu'");
}

TEST_F(ModelTest, RunsOnCuda) {
  if (!at::hasCUDA()) GTEST_SKIP() << "this process has no CUDA";
  const Model model(save_linear(), {.device = parse_device("cuda")});
  EXPECT_TRUE(model.device().is_cuda());
  const at::Tensor x = at::ones({4, 3});
  EXPECT_TRUE(model({x}).tensor().is_cpu());
  EXPECT_TRUE(model({x.cuda()}).tensor().is_cuda());
  EXPECT_TRUE(at::allclose(model({x}).tensor(), Model(save_linear())({x}).tensor()));
}

}  // namespace
}  // namespace torchship
