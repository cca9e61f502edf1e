#include "graph_dot.h"

#include <memory>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "graph_words.h"
#include "printable.h"

namespace torchship::cli {
namespace {

constexpr std::size_t kLongestLabel = 48;

/// A box around nodes.
struct Cluster {
  std::string title;
  std::string style;
  std::string statements;  ///< Of the nodes directly inside.
  std::vector<std::unique_ptr<Cluster>> inner;
  std::unordered_map<std::string, Cluster*> modules;

  Cluster& add(std::string inner_title, std::string inner_style) {
    inner.push_back(std::make_unique<Cluster>());
    inner.back()->title = std::move(inner_title);
    inner.back()->style = std::move(inner_style);
    return *inner.back();
  }
};

std::string cut(const std::string& text) {
  return characters(printable(text)) <= kLongestLabel ? text : "...";
}

std::string_view fill_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::operator_: return "#e8eefc";
    case NodeKind::control: return "#fdf0dd";
    case NodeKind::call: return "#eceff4";
    case NodeKind::kernel: return "#fdf3cf";
    default: return "#ffffff";
  }
}

class DotWriter {
 public:
  explicit DotWriter(const Graph& graph) : graph_(graph), inline_(inline_texts(graph)) {
    add_inputs();
    add_block(graph.body, root_, "");
    add_outputs();
    add_edges();
  }

  std::string text() const {
    std::string all = "digraph torchship {\n  label=" + dot_quoted(title()) +
                      ";\n  labelloc=t;\n  fontname=\"sans-serif\";\n"
                      "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", "
                      "fontsize=11, color=\"#8a94a6\"];\n"
                      "  edge [fontname=\"monospace\", fontsize=9, color=\"#8a94a6\", "
                      "fontcolor=\"#5b6678\"];\n";
    std::size_t number = 0;
    write(root_, 1, number, all);
    return all + edges_ + "}\n";
  }

 private:
  using Values = std::vector<std::size_t>;

  std::string title() const {
    return graph_.method + " at stage " + std::string(to_string(graph_.stage));
  }

  static void write(const Cluster& cluster, std::size_t depth, std::size_t& number,
                    std::string& all) {
    const std::string indent(2 * depth, ' ');
    all += cluster.statements;
    for (const auto& inner : cluster.inner) {
      all += indent + "subgraph cluster_" + std::to_string(number++) + " {\n" + indent +
             "  label=" + dot_quoted(inner->title) + "; labeljust=l; fontsize=11; " + inner->style +
             ";\n";
      write(*inner, depth + 1, number, all);
      all += indent + "}\n";
    }
  }

  std::string new_node(Cluster& cluster, const std::string& label, const std::string& more) {
    const std::string id = "n" + std::to_string(nodes_++);
    cluster.statements += "  " + id + " [label=" + label + ", " + more + "];\n";
    return id;
  }

  void add_inputs() {
    for (const std::size_t value : graph_.body.inputs) {
      const GraphValue& found = graph_.values.at(value);
      if (found.type.starts_with("__torch__")) continue;
      producers_[value] = new_node(root_, dot_quoted(found.name + "\n" + type_text(found)),
                                   "shape=oval, fillcolor=\"#ffffff\"");
    }
  }

  void add_outputs() {
    for (const std::size_t value : graph_.body.outputs) {
      const std::string id =
          new_node(root_, dot_quoted("output\n" + type_text(graph_.values.at(value))),
                   "shape=oval, fillcolor=\"#ffffff\"");
      uses_.emplace_back(value, id);
    }
  }

  void add_block(const GraphBlock& block, Cluster& cluster, const std::string& base) {
    for (const GraphNode& node : block.nodes) {
      if (node.outputs.size() != 1 || !inline_.contains(node.outputs.front())) {
        // The module of a call is the one that is called.
        const bool is_call = node.kind == NodeKind::call;
        add_node(node, is_call ? cluster : module_cluster(cluster, node.module, base));
      }
    }
  }

  /// The cluster of a module's path, inside that of a block whose own module is `base`.
  static Cluster& module_cluster(Cluster& cluster, const std::string& module,
                                 const std::string& base) {
    std::string_view path = module;
    if (module == base) return cluster;
    if (!base.empty() && module.starts_with(base + ".")) path.remove_prefix(base.size() + 1);
    Cluster* found = &cluster;
    while (!path.empty()) {
      const std::string name(path.substr(0, path.find('.')));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      Cluster*& inner = found->modules[name];
      if (inner == nullptr) {
        inner = &found->add(name, "style=rounded; color=\"#b8c0cc\"; fontcolor=\"#5b6678\"");
      }
      found = inner;
    }
    return *found;
  }

  void add_node(const GraphNode& node, Cluster& cluster) {
    if (node.blocks.empty()) {
      const std::string id =
          new_node(cluster, label(node), "fillcolor=\"" + std::string(fill_of(node.kind)) + "\"");
      use(node.inputs, id);
      for (const std::size_t value : node.outputs) {
        producers_[value] = id;
      }
    } else if (node.kind == NodeKind::control) {
      add_control(node, cluster);
    } else {
      add_called(node, cluster);
    }
  }

  void add_called(const GraphNode& node, Cluster& cluster) {
    const GraphBlock& block = node.blocks.front();
    const bool is_kernel = node.kind == NodeKind::kernel;
    Cluster& inner = cluster.add(
        title_of(node), is_kernel ? "style=\"rounded,filled\"; color=\"#d4a017\"; fillcolor=\"#fdf3cf\""
                         : "style=\"rounded,filled\"; color=\"#b8c0cc\"; fillcolor=\"#f4f6f9\"");
    // Only one of the two may have the module in front.
    const std::size_t shared = std::min(node.inputs.size(), block.inputs.size());
    for (std::size_t i = 1; i <= shared; ++i) {
      aliases_[block.inputs[block.inputs.size() - i]].push_back(
          node.inputs[node.inputs.size() - i]);
    }
    add_block(block, inner, node.module);
    for (std::size_t i = 0; i < std::min(node.outputs.size(), block.outputs.size()); ++i) {
      aliases_[node.outputs[i]].push_back(block.outputs[i]);
    }
  }

  /// A called method by its module, "layers.0", and its name where that is another than forward.
  static std::string title_of(const GraphNode& node) {
    if (node.kind == NodeKind::kernel) return "one kernel: " + node.operator_name;
    const auto found = node.attributes.find("name");
    const std::string name = found == node.attributes.end() ? node.operator_name : found->second;
    if (node.module.empty()) return name;
    return name == "forward" ? node.module : node.module + "." + name;
  }

  void add_control(const GraphNode& node, Cluster& cluster) {
    const bool is_loop = node.operator_name == "prim::Loop";
    Cluster& whole = cluster.add(
        node.operator_name, "style=\"rounded,dashed\"; color=\"#b54708\"; fontcolor=\"#b54708\"");
    const std::string id = new_node(whole, dot_quoted(is_loop ? "loop" : "if"),
                                    "shape=diamond, style=filled, fillcolor=\"#fdf0dd\"");
    // An If takes its condition; a Loop the number of rounds and whether to start.
    const std::size_t taken = std::min<std::size_t>(node.inputs.size(), is_loop ? 2 : 1);
    use({node.inputs.begin(), node.inputs.begin() + static_cast<std::ptrdiff_t>(taken)}, id);
    for (std::size_t i = 0; i < node.blocks.size(); ++i) {
      const GraphBlock& block = node.blocks[i];
      if (is_loop && !block.inputs.empty()) producers_[block.inputs.front()] = id;
      for (std::size_t k = 1; is_loop && k < block.inputs.size(); ++k) {
        if (k + 1 < node.inputs.size()) aliases_[block.inputs[k]].push_back(node.inputs[k + 1]);
      }
      add_block(block,
                whole.add(block_word(node, i), "style=\"rounded,dashed\"; color=\"#b8c0cc\""),
                node.module);
      const std::size_t first = is_loop ? 1 : 0;  // A loop's body says first whether to go on.
      for (std::size_t k = 0; k < node.outputs.size() && k + first < block.outputs.size(); ++k) {
        aliases_[node.outputs[k]].push_back(block.outputs[k + first]);
      }
    }
  }

  void use(const Values& values, const std::string& id) {
    for (const std::size_t value : values) {
      uses_.emplace_back(value, id);
    }
  }

  /// The operator, and what it takes besides the values of the edges.
  std::string label(const GraphNode& node) const {
    const std::size_t colons = node.operator_name.find("::");
    std::string text = colons == std::string::npos || !(node.operator_name.starts_with("aten") ||
                                                        node.operator_name.starts_with("prim"))
                           ? node.operator_name
                           : node.operator_name.substr(colons + 2);
    std::string taken;
    for (const std::size_t value : node.inputs) {
      const auto found = inline_.find(value);
      if (found != inline_.end() && taken.size() < kLongestLabel) {
        taken += (taken.empty() ? "" : ", ") + cut(found->second);
      } else if (found != inline_.end()) {
        taken += ", ...";
        break;
      }
    }
    return dot_quoted(taken.empty() ? text : text + "\n" + taken);
  }

  /// The nodes whose results `value` may be.
  std::set<std::pair<std::string, std::size_t>> origins(std::size_t value) const {
    std::set<std::pair<std::string, std::size_t>> found;
    std::set<std::size_t> seen;
    Values waiting = {value};
    while (!waiting.empty()) {
      const std::size_t next = waiting.back();
      waiting.pop_back();
      if (!seen.insert(next).second) continue;
      if (const auto producer = producers_.find(next); producer != producers_.end()) {
        found.emplace(producer->second, next);
      } else if (const auto others = aliases_.find(next); others != aliases_.end()) {
        waiting.insert(waiting.end(), others->second.begin(), others->second.end());
      }
    }
    return found;
  }

  void add_edges() {
    std::set<std::tuple<std::string, std::string, std::size_t>> drawn;
    for (const auto& [value, to] : uses_) {
      for (const auto& [from, origin] : origins(value)) {
        if (from == to || !drawn.emplace(from, to, origin).second) continue;
        const GraphValue& found = graph_.values.at(origin);
        const std::string sizes =
            found.shape ? " [label=" + dot_quoted(type_text(found)) + "]" : "";
        edges_ += "  " + from + " -> " + to + sizes + ";\n";
      }
    }
  }

  const Graph& graph_;
  std::map<std::size_t, std::string> inline_;
  std::unordered_map<std::size_t, std::string> producers_;
  std::unordered_map<std::size_t, Values> aliases_;
  std::vector<std::pair<std::size_t, std::string>> uses_;
  Cluster root_;
  std::string edges_;
  std::size_t nodes_ = 0;
};

}  // namespace

std::string dot_quoted(const std::string& text) {
  std::string quoted;
  std::string_view rest = text;
  while (true) {
    const std::size_t end = rest.find('\n');
    for (const char c : printable(rest.substr(0, end))) {
      // Graphviz reads backslashes and entities (&lt;) in labels.
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c == '&' ? std::string("&amp;") : std::string(1, c);
    }
    if (end == std::string_view::npos) return "\"" + quoted + "\"";
    quoted += "\\n";
    rest.remove_prefix(end + 1);
  }
}

std::string to_dot(const Graph& graph) { return DotWriter(graph).text(); }

}  // namespace torchship::cli
