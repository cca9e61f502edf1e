#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <torchship/graph.h>

namespace torchship {
namespace {

using Counts = std::map<std::string, std::int64_t>;

/// Prints a graph as LibTorch prints its own.
class Printer {
 public:
  explicit Printer(const Graph& graph) : graph_(graph) {}

  std::string print() {
    line(0, "graph(" + list(graph_.body.inputs, /*typed=*/true) + "):", "");
    nodes(graph_.body, 1);
    line(1, "return (" + list(graph_.body.outputs, false) + ")", "");
    return with_sources();
  }

 private:
  struct Line {
    std::string text;
    std::string source;
  };

  void nodes(const GraphBlock& block, std::size_t depth) {
    for (const GraphNode& node : block.nodes) {
      line(depth, text_of(node), node.source);
      for (std::size_t i = 0; i < node.blocks.size(); ++i) {
        const GraphBlock& inner = node.blocks[i];
        line(depth + 1, "block" + std::to_string(i) + "(" + list(inner.inputs, true) + "):", "");
        nodes(inner, depth + 2);
        line(depth + 2, "-> (" + list(inner.outputs, false) + ")", "");
      }
    }
  }

  std::string text_of(const GraphNode& node) const {
    std::string text = list(node.outputs, /*typed=*/true);
    text += (text.empty() ? "" : " = ") + node.operator_name;
    if (!node.attributes.empty()) {
      text += "[";
      for (const auto& [name, value] : node.attributes) {
        text += (text.back() == '[' ? "" : ", ") + name + "=" + value;
      }
      text += "]";
    }
    return text + "(" + list(node.inputs, false) + ")";
  }

  std::string list(const std::vector<std::size_t>& indices, bool typed) const {
    std::string text;
    for (const std::size_t index : indices) {
      text += (text.empty() ? "%" : ", %") + graph_.values[index].name;
      if (typed) text += " : " + type_of(graph_.values[index]);
    }
    return text;
  }

  static std::string type_of(const GraphValue& value) {
    if (!value.dtype) return value.type;
    std::string text(to_string(*value.dtype));
    if (!value.shape) return text;
    text += "[";
    for (std::size_t i = 0; i < value.shape->size(); ++i) {
      text += (i == 0 ? "" : ", ") + std::to_string((*value.shape)[i]);
    }
    return text + "]";
  }

  void line(std::size_t depth, std::string text, std::string source) {
    lines_.push_back({std::string(2 * depth, ' ') + std::move(text), std::move(source)});
  }

  std::string with_sources() const {
    constexpr std::size_t kWidest = 100;
    std::size_t width = 0;
    for (const Line& each : lines_) {
      if (!each.source.empty()) width = std::max(width, std::min(each.text.size(), kWidest));
    }
    std::string text;
    for (const Line& each : lines_) {
      text += each.text;
      if (!each.source.empty()) {
        text.append(width > each.text.size() ? width - each.text.size() : 0, ' ');
        text += "  # " + each.source;
      }
      text += "\n";
    }
    return text;
  }

  const Graph& graph_;
  std::vector<Line> lines_;
};

std::string counts_text(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  return text;
}

std::string pass_text(const GraphPass& pass) {
  std::string text = pass.name + ": " + std::to_string(pass.operators_before) + " -> " +
                     std::to_string(pass.operators_after) + " operators";
  if (!pass.removed.empty()) text += "; less " + counts_text(pass.removed);
  if (!pass.added.empty()) text += "; more " + counts_text(pass.added);
  if (pass.constants_folded > 0) {
    text += "; " + std::to_string(pass.constants_folded) + " computed beforehand";
  }
  if (pass.bytes_folded > 0) {
    text += "; " + std::to_string(pass.bytes_folded) + " bytes of weights folded";
  }
  return text + "\n";
}

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text = Printer(graph).print();
  if (!graph.passes.empty()) text += "\n";
  for (const GraphPass& pass : graph.passes) text += pass_text(pass);
  if (!graph.notes.empty()) text += "\n";
  for (const std::string& note : graph.notes) text += note + "\n";
  return text;
}

}  // namespace torchship
