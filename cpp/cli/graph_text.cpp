#include "graph_text.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "graph_tables.h"
#include "graph_words.h"
#include "printable.h"
#include "text.h"

namespace torchship::cli {
namespace {

constexpr std::size_t kLongestCell = 72;    ///< Characters of arguments; --json has them all.
constexpr std::size_t kLongestInline = 64;  ///< What is longer has a line, and goes by its name.

Ink ink_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::operator_: return Ink::operator_;
    case NodeKind::kernel: return Ink::kernel;
    case NodeKind::control: return Ink::control;
    case NodeKind::call: return Ink::bold;
    case NodeKind::container: return Ink::plain;
    default: return Ink::dim;
  }
}

std::string cut(std::string text) {
  text = printable(text);
  if (characters(text) <= kLongestCell) return text;
  std::size_t end = kLongestCell - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

std::string error_text(double error) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2g", error);
  return text;
}

/// The rows of the listing.
class Listing {
 public:
  Listing(const Graph& graph, bool constants)
      : graph_(graph), inline_(inline_texts(graph)), constants_(constants) {
    is_timed_ = total_time(graph.body) > 0;
    is_compared_ = std::any_of(graph.body.nodes.begin(), graph.body.nodes.end(),
                               [](const GraphNode& node) { return node.error.has_value(); });
    std::vector<Cell> heading = {{"result", Ink::dim},   {"type", Ink::dim},
                                 {"operator", Ink::dim}, {"arguments", Ink::dim},
                                 {"module", Ink::dim},   {"source", Ink::dim}};
    if (is_timed_) heading.push_back({"time", Ink::dim});
    if (is_compared_) heading.push_back({"error", Ink::dim});
    rows_.push_back(std::move(heading));
    add(graph.body, 0);
  }

  std::vector<std::vector<Cell>> rows() && { return std::move(rows_); }

 private:
  void add(const GraphBlock& block, std::size_t depth) {
    for (const GraphNode& node : block.nodes) {
      if (!constants_ && node.outputs.size() == 1 && is_inline(node.outputs.front())) continue;
      add(node, depth);
    }
  }

  void add(const GraphNode& node, std::size_t depth) {
    const bool is_quiet = node.kind == NodeKind::constant || node.kind == NodeKind::attribute;
    const Ink ink = is_quiet ? Ink::dim : Ink::plain;
    std::vector<Cell> row = {{cut(names(node.outputs)), ink},
                             {cut(types(node.outputs)), Ink::dim},
                             {indent(depth) + node.operator_name, ink_of(node.kind)},
                             {cut(arguments(node)), ink},
                             {node.module, Ink::dim},
                             {node.source, Ink::dim}};
    if (is_timed_) row.push_back({node.microseconds ? format_time(*node.microseconds) : ""});
    if (is_compared_ && node.error) row.push_back({error_text(*node.error)});
    rows_.push_back(std::move(row));
    for (std::size_t i = 0; i < node.blocks.size(); ++i) {
      if (node.kind == NodeKind::control) {
        rows_.push_back({{}, {}, {indent(depth + 1) + block_word(node, i) + ":", Ink::control}});
      }
      add(node.blocks[i], depth + 1 + (node.kind == NodeKind::control ? 1 : 0));
      add_results(node, node.blocks[i], depth + 1);
    }
  }

  /// What a branch, a body or a method gives to whom it belongs to.
  void add_results(const GraphNode& node, const GraphBlock& block, std::size_t depth) {
    if (block.outputs.empty()) return;
    const std::size_t more = node.kind == NodeKind::control ? 1 : 0;
    rows_.push_back({{},
                     {},
                     {indent(depth + more) + "return", Ink::dim},
                     {cut(inputs(block.outputs)), Ink::dim}});
  }

  std::string arguments(const GraphNode& node) const {
    const auto attribute = [&](const char* name) {
      const auto found = node.attributes.find(name);
      return found == node.attributes.end() ? std::string() : found->second;
    };
    if (node.kind == NodeKind::constant) return attribute("value");
    if (node.kind == NodeKind::attribute) {
      const std::string of = node.inputs.empty() ? "" : name(node.inputs.front());
      const std::string rest = node.inputs.size() < 2 ? "" : " = " + name(node.inputs[1]);
      return of + "." + attribute("name") + rest;
    }
    std::string text = inputs(node.inputs);
    for (const auto& [key, value] : node.attributes) {
      text += (text.empty() ? "" : ", ") + key + "=" + value;
    }
    return text;
  }

  /// Arguments: short constants and attributes as they are spelt, all else by name.
  std::string inputs(const std::vector<std::size_t>& values) const {
    return joined(values, [&](std::size_t value) {
      return is_inline(value) ? inline_.at(value) : name(value);
    });
  }

  bool is_inline(std::size_t value) const {
    const auto found = inline_.find(value);
    return found != inline_.end() && found->second.size() <= kLongestInline;
  }

  std::string names(const std::vector<std::size_t>& values) const {
    return joined(values, [&](std::size_t value) { return name(value); });
  }

  std::string types(const std::vector<std::size_t>& values) const {
    return joined(values, [&](std::size_t value) { return type_text(graph_.values.at(value)); });
  }

  template <typename Text>
  static std::string joined(const std::vector<std::size_t>& values, Text&& text) {
    std::string all;
    for (const std::size_t value : values) {
      all += (all.empty() ? "" : ", ") + text(value);
    }
    return all;
  }

  std::string name(std::size_t value) const { return short_name(graph_.values.at(value)); }

  static std::string indent(std::size_t depth) { return std::string(2 * depth, ' '); }

  const Graph& graph_;
  std::map<std::size_t, std::string> inline_;
  bool constants_;
  bool is_timed_ = false;
  bool is_compared_ = false;
  std::vector<std::vector<Cell>> rows_;
};

std::string described(const Graph& graph, const std::vector<std::size_t>& values) {
  std::string text;
  for (const std::size_t value : values) {
    const GraphValue& found = graph.values.at(value);
    if (found.type.starts_with("__torch__.") && found.name.starts_with("self")) continue;
    text += (text.empty() ? "" : ", ") + found.name + ": " + type_text(found);
  }
  return text.empty() ? "none" : text;
}

std::string describe_head(const Graph& graph, bool colour) {
  const std::size_t count = count_operators(graph.body);
  std::string what = graph.method + " at stage " + std::string(to_string(graph.stage));
  if (!graph.engine.empty()) what += ", " + graph.engine;
  if (!graph.device.empty()) what += " on " + graph.device;
  what += ", " + std::to_string(count) + (count == 1 ? " operator" : " operators");
  return paint(printable(what), Ink::bold, colour) + "\n" +
         align({{{"inputs", Ink::dim}, {described(graph, graph.body.inputs)}},
                {{"outputs", Ink::dim}, {described(graph, graph.body.outputs)}}},
               colour);
}

}  // namespace

std::string describe_graph(const Graph& graph, const GraphTextOptions& options) {
  const bool colour = options.colour;
  std::string text = describe_head(graph, colour) + "\n";
  text += align(Listing(graph, options.constants).rows(), colour);
  text += describe_passes(graph, colour) + describe_times(graph, colour);
  for (const std::string& note : graph.notes) {
    text += "\n" + paint("note: ", Ink::bold, colour) + printable(note);
  }
  return text + (graph.notes.empty() ? "" : "\n");
}

}  // namespace torchship::cli
