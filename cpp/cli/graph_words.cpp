#include "graph_words.h"

#include <algorithm>

#include <torchship/value.h>

namespace torchship::cli {
namespace {

using Texts = std::map<std::size_t, std::string>;

/// "[1, 1]" of a list of constants. Lists of lists could grow without end: long items are left out.
std::string constant_list(const GraphNode& node, const Texts& texts) {
  constexpr std::size_t kLongest = 80;
  std::string text;
  for (const std::size_t input : node.inputs) {
    const std::string& item = texts.at(input);
    text += (text.empty() ? "" : ", ") + (item.size() <= kLongest ? item : "...");
    if (text.size() > kLongest) {
      text += ", ...";
      break;
    }
  }
  return node.operator_name == "prim::TupleConstruct" ? "(" + text + ")" : "[" + text + "]";
}

void collect(const GraphBlock& block, Texts& texts) {
  for (const GraphNode& node : block.nodes) {
    if (node.kind == NodeKind::constant && node.outputs.size() == 1) {
      const auto value = node.attributes.find("value");
      texts[node.outputs.front()] = value == node.attributes.end() ? "None" : value->second;
    }
    const auto is_constant = [&](std::size_t input) { return texts.contains(input); };
    if (node.kind == NodeKind::container && node.outputs.size() == 1 &&
        node.operator_name.ends_with("Construct") && !node.inputs.empty() &&
        std::all_of(node.inputs.begin(), node.inputs.end(), is_constant)) {
      texts[node.outputs.front()] = constant_list(node, texts);
    }
    for (const GraphBlock& inner : node.blocks) {
      collect(inner, texts);
    }
  }
}

}  // namespace

std::string type_text(const GraphValue& value) {
  if (!value.dtype || !value.shape) return value.type;
  std::string sizes;
  for (const std::int64_t size : *value.shape) {
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  }
  return std::string(to_string(*value.dtype)) + "[" + sizes + "]";
}

std::map<std::size_t, std::string> constant_texts(const Graph& graph) {
  Texts texts;
  collect(graph.body, texts);
  return texts;
}

std::string block_word(const GraphNode& node, std::size_t block) {
  if (node.operator_name == "prim::If") return block == 0 ? "if true" : "else";
  return node.blocks.size() == 1 ? "body" : "block " + std::to_string(block);
}

}  // namespace torchship::cli
