#include "engines/retarget.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/irparser.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

std::shared_ptr<jit::Graph> parse(const std::string& text) {
  auto graph = std::make_shared<jit::Graph>();
  jit::parseIR(text, graph.get());
  return graph;
}

/// The devices that nodes of a kind are given, in order.
std::vector<std::string> devices_of(const jit::Graph& graph, const char* kind) {
  std::vector<std::string> devices;
  for (const jit::Node* node : graph.nodes()) {
    if (node->kind() != c10::Symbol::fromQualString(kind)) continue;
    for (const jit::Value* input : node->inputs()) {
      const auto constant = jit::toIValue(input);
      if (constant && constant->isDevice()) devices.push_back(constant->toDevice().str());
    }
  }
  return devices;
}

using Devices = std::vector<std::string>;

TEST(Retarget, ReplacesDevicesOfFactoriesAndMoves) {
  const auto graph = parse(R"(
    graph(%x : Tensor):
      %cpu : Device = prim::Constant[value="cpu"]()
      %none : NoneType = prim::Constant()
      %no : bool = prim::Constant[value=0]()
      %one : int = prim::Constant[value=1]()
      %dtype : int = prim::Constant[value=6]()
      %sizes : int[] = prim::ListConstruct(%one)
      %zeros : Tensor = aten::zeros(%sizes, %dtype, %none, %cpu, %none)
      %moved : Tensor = aten::to(%x, %cpu, %dtype, %no, %no, %none)
      %sum : Tensor = aten::add(%zeros, %moved, %one)
      return (%sum))");
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 2u);
  EXPECT_EQ(devices_of(*graph, "aten::zeros"), Devices{"cuda:0"});
  EXPECT_EQ(devices_of(*graph, "aten::to"), Devices{"cuda:0"});
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 0u);
  EXPECT_EQ(retarget(*graph, at::Device("cpu")), 2u);
}

TEST(Retarget, TheCurrentDeviceOfAKindIsTheModels) {
  const auto graph = parse(R"(
    graph(%x : Tensor):
      %any : Device = prim::Constant[value="cuda"]()
      %second : Device = prim::Constant[value="cuda:1"]()
      %none : NoneType = prim::Constant()
      %no : bool = prim::Constant[value=0]()
      %dtype : int = prim::Constant[value=6]()
      %a : Tensor = aten::to(%x, %any, %dtype, %no, %no, %none)
      %b : Tensor = aten::to(%a, %second, %dtype, %no, %no, %none)
      return (%b))");
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 1u);
  EXPECT_EQ(devices_of(*graph, "aten::to"), (Devices{"cuda", "cuda:0"}));
}

TEST(Retarget, MetaAndComparisonsStay) {
  const auto graph = parse(R"(
    graph(%x : Tensor):
      %meta : Device = prim::Constant[value="meta"]()
      %cpu : Device = prim::Constant[value="cpu"]()
      %none : NoneType = prim::Constant()
      %no : bool = prim::Constant[value=0]()
      %dtype : int = prim::Constant[value=6]()
      %a : Tensor = aten::to(%x, %meta, %dtype, %no, %no, %none)
      %here : Device = prim::device(%x)
      %same : bool = aten::eq(%here, %cpu)
      return (%a, %same))");
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 0u);
}

TEST(Retarget, InsideOfBranches) {
  const auto graph = parse(R"(
    graph(%x : Tensor, %c : bool):
      %cpu : Device = prim::Constant[value="cpu"]()
      %none : NoneType = prim::Constant()
      %no : bool = prim::Constant[value=0]()
      %dtype : int = prim::Constant[value=6]()
      %r : Tensor = prim::If(%c)
        block0():
          %a : Tensor = aten::to(%x, %cpu, %dtype, %no, %no, %none)
          -> (%a)
        block1():
          %b : Tensor = aten::cpu(%x)
          -> (%b)
      return (%r))");
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 2u);
  graph->lint();
  EXPECT_EQ(graph->toString().find("aten::cpu"), std::string::npos);
  EXPECT_EQ(graph->toString().find("\"cpu\"]() # "), std::string::npos);
}

TEST(Retarget, LengthsOfPackedSequencesStayOnTheCpu) {
  const auto graph = parse(R"(
    graph(%x : Tensor, %lengths : Tensor):
      %cpu : Device = prim::Constant[value="cpu"]()
      %none : NoneType = prim::Constant()
      %no : bool = prim::Constant[value=0]()
      %yes : bool = prim::Constant[value=1]()
      %float : int = prim::Constant[value=6]()
      %long : int = prim::Constant[value=4]()
      %one : int = prim::Constant[value=1]()
      %before : Tensor = aten::to(%lengths, %cpu, %long, %no, %no, %none)
      %more : Tensor = aten::add(%before, %one, %one)
      %there : Tensor = aten::to(%more, %cpu, %long, %no, %no, %none)
      %sorted : Tensor = aten::neg(%there)
      %moved : Tensor = aten::to(%x, %cpu, %float, %no, %no, %none)
      %data : Tensor, %sizes : Tensor = aten::_pack_padded_sequence(%moved, %sorted, %yes)
      return (%data, %sizes))");
  EXPECT_EQ(retarget(*graph, at::Device("cuda:0")), 2u);
  // What comes before the lengths' own move to the CPU may be anywhere; that move is kept.
  EXPECT_EQ(devices_of(*graph, "aten::to"), (Devices{"cuda:0", "cpu", "cuda:0"}));
}

}  // namespace
}  // namespace torchship
