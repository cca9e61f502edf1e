#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

#include "exported/program.h"

namespace torchship {

/// Values of one graph by the names that the program gives them.
using LoweredNames = std::unordered_map<std::string, torch::jit::Value*>;

/// Turns the nodes of a program's graph into nodes of LibTorch's own graphs, at the insertion point of
/// `graph`. Each family of nodes has a file of its own.
///
/// Throws ArchiveError for nodes that make no sense or have no meaning here.
class Lowering {
 public:
  Lowering(torch::jit::Graph& graph, std::string place) : graph_(graph), place_(std::move(place)) {}

  torch::jit::Graph& graph() { return graph_; }

  /// All nodes of a graph, whose inputs have their names already.
  void lower_nodes(const ExportedGraph& graph, LoweredNames& names);

  /// The nodes of a graph inside another one, for these inputs; returns its outputs.
  std::vector<torch::jit::Value*> lower_subgraph(const ExportedGraph& graph,
                                                 const std::vector<torch::jit::Value*>& inputs);

  /// A value that some node gave, or a constant of its own type.
  torch::jit::Value* value_of(const ExportedArgument& argument, const LoweredNames& names);
  torch::jit::Value* named(const std::string& name, const LoweredNames& names) const;
  /// A bool, for a tensor of one element as well.
  torch::jit::Value* condition(torch::jit::Value* value);
  /// Raises an error with that message where the condition does not hold.
  void require(torch::jit::Value* condition, const std::string& message);
  torch::jit::Value* constant(const c10::IValue& value);

  /// Gives names to the results of a node, lists among them taken apart.
  void name_outputs(const ExportedNode& node, const std::vector<torch::jit::Value*>& values,
                    LoweredNames& names);

  /// Says what is wrong with the node that is being lowered.
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = {}) const;

 private:
  void lower_node(const ExportedNode& node, const ExportedGraph& graph, LoweredNames& names);
  // Each returns whether the node is of its family.
  bool lower_check(const ExportedNode& node, LoweredNames& names);
  void constrain(const ExportedNode& node, torch::jit::Value* number, const ExportedArgument* min,
                 const ExportedArgument* max);
  bool lower_number(const ExportedNode& node, const ExportedGraph& graph, LoweredNames& names);
  torch::jit::Value* number(const std::string& target, const char* operation,
                            const std::vector<torch::jit::Value*>& arguments,
                            c10::Symbol conversion);
  bool lower_control(const ExportedNode& node, LoweredNames& names);
  void lower_effect(const ExportedNode& node, LoweredNames& names);
  bool lower_operator(const ExportedNode& node, LoweredNames& names);
  /// Notes in nodes, from `first` up to the insertion point, which lines of the user's code they are.
  void note_source(const ExportedNode& node, torch::jit::Node* first);
  torch::jit::SourceRange range_of(const std::string& stack_trace);
  torch::jit::ScopePtr scope_of(const std::string& module);

  torch::jit::Graph& graph_;
  std::string place_;
  const ExportedNode* node_ = nullptr;  ///< What is being lowered.
  std::unordered_map<std::string, torch::jit::SourceRange> ranges_;
  std::unordered_map<std::string, torch::jit::ScopePtr> scopes_;
  int depth_ = 0;
};

/// "torch.ops.aten.add.Tensor" taken apart.
struct OperatorTarget {
  std::string name;      ///< "aten::add"
  std::string overload;  ///< "Tensor"; empty for the default one.
};

/// Nothing for targets of another form.
std::optional<OperatorTarget> parse_target(const std::string& target);

}  // namespace torchship
