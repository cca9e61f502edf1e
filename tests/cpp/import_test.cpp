#include "torchscript/import.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchship/model.h>

#include "archive/recognise.h"
#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;
namespace jit = torch::jit;
using test::TempFolder;

constexpr std::int64_t kRows = 1024;

/// Weights, a shared one, a constant in the code, and a submodule that builds itself.
jit::Module net() {
  jit::Module inner("Inner");
  inner.register_buffer("scale", at::rand({kRows}));
  inner.register_attribute("training", c10::BoolType::get(), true);
  inner.define(R"(
    def __getstate__(self):
      return (self.scale, self.training)
    def __setstate__(self, state: Tuple[Tensor, bool]):
      self.scale = state[0] * 2
      self.training = state[1]
    def forward(self, x):
      return x * self.scale
  )");
  jit::Module net("Net");
  net.register_attribute("training", c10::BoolType::get(), true);
  net.register_parameter("weight", at::rand({kRows, 8}), false);
  net.register_buffer("alias", net.attr("weight").toTensor().view({8, kRows}));
  c10::Dict<std::string, at::Tensor> table;
  table.insert("a", at::rand({3}).to(at::kHalf));
  net.register_attribute(
      "table", c10::DictType::create(c10::StringType::get(), c10::TensorType::get()), table);
  net.register_module("inner", inner);
  net.define(R"(
    def forward(self, x):
      assert bool(x.sum() < 100000.), "too much"
      y = self.inner.forward(torch.mm(self.weight, x).sum(1))
      return y + self.table["a"].sum() + self.alias[0]
  )");
  // A tensor that the code itself holds: constants.pkl has it.
  jit::Graph& graph = *net.get_method("forward").graph();
  const jit::WithInsertPoint before_return(graph.return_node());
  jit::Value* const constant = graph.insertConstant(at::rand({kRows}));
  jit::Value* const sum = graph.insert(c10::aten::add, {graph.outputs()[0], constant});
  graph.return_node()->replaceInput(0, sum);
  net.eval();
  return net;
}

class ImportTest : public testing::Test {
 protected:
  fs::path save(const jit::Module& module) const {
    module.save((folder_ / "m.pt").string());
    return folder_ / "m.pt";
  }

  static std::unique_ptr<TorchScriptFile> open(const fs::path& path, File::Access access) {
    ZipReader zip(std::make_shared<const File>(path, access));
    std::string folder = require_torchscript(zip);
    return std::make_unique<TorchScriptFile>(std::move(zip), std::move(folder));
  }

  static jit::Module import(const TorchScriptFile& file) {
    return import_module(file, file.info().format_version, at::kCPU);
  }

  /// The archive written anew: each record as `change` makes it, without alignment.
  template <typename Change>
  fs::path rewritten(const fs::path& path, const Change& change) const {
    const ZipReader zip(std::make_shared<const File>(path));
    std::vector<test::ZipRecord> records;
    for (const ZipEntry& entry : zip.entries()) {
      records.push_back(change(entry.name, zip.read(entry, 1 << 30)));
    }
    return folder_.file("rewritten.pt", test::zip_of(records));
  }

  TempFolder folder_;
};

/// Whether memory is mapped from a file of that name.
bool lies_in(const at::Tensor& tensor, const fs::path& path) {
  const auto start = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::size_t dash = 0;
    const std::uintptr_t from = std::stoull(line, &dash, 16);
    const std::uintptr_t to = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (start >= from && start + tensor.nbytes() <= to) {
      return line.find(path.string()) != std::string::npos;
    }
  }
  return false;
}

bool is_mapped(const fs::path& path) {
  return test::bytes_of_file("/proc/self/maps").find(path.string()) != std::string::npos;
}

/// All that can be told from outside: code with the lines it came from, and every bit of the state.
void expect_same(const jit::Module& ours, const jit::Module& stock) {
  EXPECT_EQ(ours.type()->name()->qualifiedName(), stock.type()->name()->qualifiedName());
  EXPECT_EQ(ours.get_method("forward").graph()->toString(/*print_source_locations=*/true),
            stock.get_method("forward").graph()->toString(true));
  const auto theirs = stock.named_buffers();
  auto buffer = theirs.begin();
  for (const auto& own : ours.named_buffers()) {
    EXPECT_EQ(own.name, (*buffer).name);
    EXPECT_TRUE(own.value.equal((*buffer).value)) << own.name;
    EXPECT_EQ(own.value.strides(), (*buffer).value.strides());
    ++buffer;
  }
  EXPECT_EQ(ours.is_training(), stock.is_training());
  const at::Tensor x = at::rand({8, 8});
  EXPECT_TRUE(jit::Module(ours).forward({x}).toTensor().equal(
      jit::Module(stock).forward({x}).toTensor()));
}

std::string failure_of(jit::Module module) {
  try {
    module.forward({at::full({8, 8}, 1e6)});
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find("Exception raised from"));
  }
  return {};
}

TEST_F(ImportTest, GivesWhatLibTorchGives) {
  const fs::path path = save(net());
  const jit::Module stock = jit::load(path.string());
  for (const File::Access access : {File::Access::read, File::Access::map}) {
    const jit::Module ours = import(*open(path, access));
    expect_same(ours, stock);
    EXPECT_HAS(failure_of(ours), "too much");
    EXPECT_EQ(failure_of(ours), failure_of(stock));
  }
}

TEST_F(ImportTest, WeightsLieInTheMapping) {
  const fs::path path = save(net());
  const auto file = open(path, File::Access::map);
  const jit::Module module = import(*file);
  EXPECT_TRUE(lies_in(module.attr("weight").toTensor(), path));
  EXPECT_TRUE(lies_in(module.attr("alias").toTensor(), path));
  EXPECT_TRUE(module.attr("alias").toTensor().is_alias_of(module.attr("weight").toTensor()));

  const auto unmapped = open(path, File::Access::read);
  EXPECT_FALSE(lies_in(import(*unmapped).attr("weight").toTensor(), path));
}

TEST_F(ImportTest, TheMappingLivesAsLongAsATensor) {
  const fs::path path = save(net());
  at::Tensor weight = import(*open(path, File::Access::map)).attr("weight").toTensor();
  EXPECT_TRUE(is_mapped(path));
  fs::remove(path);
  EXPECT_GT(weight.sum().item<double>(), 0);
  weight.reset();
  EXPECT_FALSE(is_mapped(path));
}

TEST_F(ImportTest, DeflatedRecordsAreInflated) {
  const fs::path path = save(net());
  const fs::path deflated = rewritten(path, [](const std::string& name, const std::string& bytes) {
    return test::compressed(name, bytes);
  });
  expect_same(import(*open(deflated, File::Access::map)), jit::load(path.string()));
}

TEST_F(ImportTest, MisalignedRecordsAreCopied) {
  const fs::path path = save(net());
  const fs::path packed = rewritten(path, [](const std::string& name, const std::string& bytes) {
    test::ZipRecord record = test::stored(name, bytes);
    record.local_extra = name.ends_with("data/0") ? std::string("\xff\xff\x01\0x", 5) : "";
    return record;
  });
  const auto file = open(packed, File::Access::map);
  // The five bytes before it make sure.
  ASSERT_NE(file->zip().data_offset(*file->find("data/0")) % 64, 0u);
  const jit::Module module = import(*file);
  const at::Tensor weight = module.attr("weight").toTensor();
  EXPECT_FALSE(lies_in(weight, packed));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(weight.const_data_ptr()) % 64, 0u);
  expect_same(module, jit::load(path.string()));
}

TEST_F(ImportTest, OldQuantisedConvolutionsAreUpdated) {
  jit::Module module("Net");
  module.define("def forward(self, x):\n  return x\n");
  const std::string code =
      "class Net(Module):\n"
      "  __parameters__ = []\n"
      "  __buffers__ = []\n"
      "  def forward(self: __torch__.Net, x: Tensor, w: "
      "__torch__.torch.classes.quantized.Conv2dPackedParamsBase) -> Tensor:\n"
      "    return ops.quantized.conv2d(x, w, [1, 1], [0, 0], [1, 1], 1, 0.5, 0)\n";
  const auto with_code = [&](const std::string& name, const std::string& bytes) {
    return test::stored(name, name.ends_with("code/__torch__.py") ? code : bytes);
  };
  const fs::path path = rewritten(save(module), with_code);
  const auto graph = import(*open(path, File::Access::map)).get_method("forward").graph();
  EXPECT_EQ(graph->toString(false),
            jit::load(path.string()).get_method("forward").graph()->toString(false));
  std::size_t inputs = 0;
  for (const jit::Node* node : graph->nodes()) {
    if (node->kind() == c10::Symbol::fromQualString("quantized::conv2d")) {
      inputs = node->inputs().size();
    }
  }
  EXPECT_EQ(inputs, 4u);
}

TEST_F(ImportTest, OldDivisionsAreUpgraded) {
  // Before version 4 of the format, integers were divided as integers.
  jit::Module net("Net");
  net.define("def forward(self, x: Tensor, y: Tensor):\n  return torch.div(x, y)\n");
  const fs::path path = rewritten(save(net), [](const std::string& name, std::string data) {
    if (name.ends_with("version")) data = "3\n";
    return test::stored(name, data);
  });
  const auto file = open(path, File::Access::map);
  jit::Module module = import(*file);
  const c10::IValue result = module.forward({at::full({1}, 7, at::kLong), at::full({1}, 2, at::kLong)});
  EXPECT_EQ(result.toTensor().item<double>(), 3.0);
}

TEST_F(ImportTest, RefusesOtherVersionsOfTheFormat) {
  const auto file = open(save(net()), File::Access::map);
  const auto said = [&](std::int64_t version) {
    return test::refusal([&] { import_module(*file, version, at::kCPU); });
  };
  EXPECT_HAS(said(0), "has version 0 of the file format; this LibTorch reads 1 to");
  EXPECT_HAS(said(999), "it was saved by a newer PyTorch");
  EXPECT_HAS(said(-1), "has version -1");
}

/// Private bytes of this process that nothing else shares, in bytes.
std::size_t private_bytes() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::size_t sum = 0;
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Private_")) sum += std::stoul(line.substr(line.find(':') + 1)) * 1024;
  }
  return sum;
}

class MappedModelTest : public ImportTest {
 protected:
  static constexpr std::int64_t kElements = 8 << 20;  ///< 32 MiB.

  fs::path large(std::int64_t elements = kElements) const {
    jit::Module module("Net");
    module.register_parameter("weight", at::rand({elements}), false);
    module.register_buffer("state", at::zeros({elements}));
    module.define(R"(
      def forward(self, x):
        return (self.weight * x).sum() + self.state.sum()
      def step(self):
        self.state.add_(1.)
        return self.state.sum()
    )");
    return save(module);
  }
};

TEST_F(MappedModelTest, ASecondModelAddsLittle) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's own memory counts here";
#endif
  const fs::path path = large();
  LoadOptions options;
  options.engine = "interpreter";  // A plan keeps memory for results on the way.
  const Model first(path, options);
  const at::Tensor expected = first({at::ones({1})}).tensor();
  const std::size_t before = private_bytes();
  const Model second(path, options);
  EXPECT_TRUE(second({at::ones({1})}).tensor().equal(expected));
  // Pages that only this process maps count as its own, clean; two mappings of them do not.
  EXPECT_LT(private_bytes(), before + kElements * sizeof(float) / 10);
}

TEST_F(MappedModelTest, StateStaysOutOfTheFile) {
  constexpr std::int64_t kSmall = 1 << 16;
  const fs::path path = large(kSmall);
  const std::string bytes = test::bytes_of_file(path);
  const Model model(path);
  EXPECT_EQ(model.call("step", {}).tensor().item<float>(), kSmall);
  EXPECT_EQ(model.call("step", {}).tensor().item<float>(), 2 * kSmall);
  EXPECT_TRUE(test::bytes_of_file(path) == bytes);
  EXPECT_EQ(Model(path).call("step", {}).tensor().item<float>(), kSmall);
}

TEST_F(MappedModelTest, TheFileMayGoOrBeReplaced) {
  const fs::path path = large();
  const Model model(path);
  const at::Tensor before = model({at::ones({1})}).tensor();
  folder_.file("other", "something else");
  fs::rename(folder_ / "other", path);
  EXPECT_TRUE(model({at::ones({1})}).tensor().equal(before));
  fs::remove(path);
  EXPECT_TRUE(model({at::ones({1})}).tensor().equal(before));
}

TEST_F(MappedModelTest, UnmappedModelsDoNotCareWhatHappensToTheFile) {
  const fs::path path = large();
  const Model model(path, {.map = false});
  const at::Tensor before = model({at::ones({1})}).tensor();
  std::ofstream(path, std::ios::trunc) << "cut short";
  EXPECT_TRUE(model({at::ones({1})}).tensor().equal(before));
}

}  // namespace
}  // namespace torchship
