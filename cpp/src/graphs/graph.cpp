#include <torchship/graph.h>

#include <array>
#include <utility>

#include <torchship/error.h>

namespace torchship {
namespace {

constexpr std::array kStages = {std::pair(Stage::initial, std::string_view("initial")),
                                std::pair(Stage::frozen, std::string_view("frozen")),
                                std::pair(Stage::optimized, std::string_view("optimized"))};

}  // namespace

std::string_view to_string(Stage stage) noexcept {
  for (const auto& [each, name] : kStages) {
    if (each == stage) return name;
  }
  return "";
}

Stage parse_stage(std::string_view name) {
  for (const auto& [stage, text] : kStages) {
    if (text == name) return stage;
  }
  throw SignatureError("there is no stage '" + std::string(name) + "'",
                       "the stages are initial, frozen and optimized");
}

std::string_view to_string(NodeKind kind) noexcept {
  switch (kind) {
    case NodeKind::constant: return "constant";
    case NodeKind::attribute: return "attribute";
    case NodeKind::operator_: return "operator";
    case NodeKind::container: return "container";
    case NodeKind::control: return "control";
    case NodeKind::call: return "call";
    case NodeKind::kernel: return "kernel";
  }
  return "";
}

std::size_t count_operators(const GraphBlock& block) {
  std::size_t count = 0;
  for (const GraphNode& node : block.nodes) {
    count += node.kind == NodeKind::operator_ ? 1 : 0;
    for (const GraphBlock& inner : node.blocks) count += count_operators(inner);
  }
  return count;
}

}  // namespace torchship
