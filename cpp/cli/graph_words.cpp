#include "graph_words.h"

#include <algorithm>
#include <optional>

#include <torchship/value.h>

namespace torchship::cli {
namespace {

using Texts = std::map<std::size_t, std::string>;

/// "[1, 1]" of a list of constants or attributes. Lists of lists could grow without end: long items
/// are left out.
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

/// "self.linear.weight"; paths longer than any that people write are left to their own lines.
std::optional<std::string> attribute_path(const GraphNode& node, const Graph& graph,
                                          const Texts& texts) {
  constexpr std::size_t kLongest = 64;
  const auto name = node.attributes.find("name");
  if (name == node.attributes.end() || node.inputs.size() != 1) return std::nullopt;
  const std::string owner = short_name(graph.values.at(node.inputs.front()));
  const auto of = texts.find(node.inputs.front());
  // TorchScript numbers names that come again: "self.1".
  const std::string start = of != texts.end()            ? of->second
                            : owner.starts_with("self.") ? "self"
                                                         : owner;
  std::string path = start + "." + name->second;
  return path.size() <= kLongest ? std::optional(std::move(path)) : std::nullopt;
}

std::optional<std::string> inline_text(const GraphNode& node, const Graph& graph,
                                       const Texts& texts) {
  const auto is_inline = [&](std::size_t input) { return texts.contains(input); };
  switch (node.kind) {
    case NodeKind::constant: {
      const auto value = node.attributes.find("value");
      return value == node.attributes.end() ? "None" : value->second;
    }
    case NodeKind::attribute:
      return node.operator_name == "prim::GetAttr" ? attribute_path(node, graph, texts)
                                                   : std::nullopt;
    case NodeKind::container:
      return node.operator_name.ends_with("Construct") && !node.inputs.empty() &&
                     std::all_of(node.inputs.begin(), node.inputs.end(), is_inline)
                 ? std::optional(constant_list(node, texts))
                 : std::nullopt;
    default: return std::nullopt;
  }
}

void collect(const GraphBlock& block, const Graph& graph, Texts& texts) {
  for (const GraphNode& node : block.nodes) {
    if (node.outputs.size() == 1) {
      if (auto text = inline_text(node, graph, texts)) {
        texts[node.outputs.front()] = std::move(*text);
      }
    }
    for (const GraphBlock& inner : node.blocks) {
      collect(inner, graph, texts);
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

std::map<std::size_t, std::string> inline_texts(const Graph& graph) {
  Texts texts;
  collect(graph.body, graph, texts);
  return texts;
}

std::string short_name(const GraphValue& value) {
  return value.name.substr(value.name.rfind('/') + 1);
}

std::string block_word(const GraphNode& node, std::size_t block) {
  if (node.operator_name == "prim::If") return block == 0 ? "if true" : "else";
  return node.blocks.size() == 1 ? "body" : "block " + std::to_string(block);
}

}  // namespace torchship::cli
