#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <torchship/export.h>
#include <torchship/value.h>

namespace torchship {

/// How far a graph has come on its way from the recording to what runs.
enum class Stage : std::uint8_t {
  initial,    ///< As the tracer or the compiler of scripts recorded it.
  frozen,     ///< Calls inlined, weights made constants, what can be computed beforehand computed.
  optimized,  ///< What the engine executes on its device.
};

/// "initial", "frozen", "optimized".
TORCHSHIP_EXPORT std::string_view to_string(Stage stage) noexcept;
/// Throws SignatureError listing the stages.
TORCHSHIP_EXPORT Stage parse_stage(std::string_view name);

/// What a node is to whoever counts them.
enum class NodeKind : std::uint8_t {
  constant,     ///< prim::Constant.
  attribute,    ///< Reads or writes an attribute of a module: prim::GetAttr, prim::SetAttr.
  operator_,    ///< One call of an operator: aten::linear.
  container,    ///< Puts lists, tuples and dicts together or takes them apart; converts numbers.
  control,      ///< prim::If, prim::Loop: its blocks are the branches, or the body.
  call,         ///< A call of another method: its block is that method's graph.
  kernel,       ///< Several operators that run as one kernel: its block has the members.
};

TORCHSHIP_EXPORT std::string_view to_string(NodeKind kind) noexcept;

/// A value: an input of a block, or a result of a node.
struct GraphValue {
  std::string name;  ///< "x", "input.3", "17": unique within a Graph.
  std::string type;  ///< As TorchScript spells it: "Tensor", "int[]", "__torch__.Net".
  /// Of a tensor, where known: of a constant, or as it was in the run that the graph was made for.
  std::optional<at::ScalarType> dtype;
  std::optional<std::vector<std::int64_t>> shape;
};

struct GraphNode;

struct GraphBlock {
  std::vector<std::size_t> inputs;   ///< Indices into Graph::values.
  std::vector<GraphNode> nodes;      ///< In the order of execution.
  std::vector<std::size_t> outputs;  ///< Indices into Graph::values.
};

struct GraphNode {
  std::string operator_name;  ///< "aten::linear", "prim::If"; "prim::TensorExprGroup" for a kernel.
  NodeKind kind = NodeKind::operator_;
  std::vector<std::size_t> inputs;   ///< Indices into Graph::values.
  std::vector<std::size_t> outputs;  ///< Indices into Graph::values.
  /// By name, as text: "value": "20." of a constant, "name": "weight" of an attribute. Of a constant
  /// tensor the value is "<float32[8, 3], 96 bytes>" where it is too large to print.
  std::map<std::string, std::string> attributes;
  std::string module;  ///< "encoder.layers.0": whose code this is; empty for the model itself.
  std::string source;  ///< "net.py:12": the user's own line; empty when the archive does not tell.
  std::vector<GraphBlock> blocks;
  /// In the profiled run, all its executions and what is inside its blocks together.
  std::optional<double> microseconds;
  std::int64_t executions = 0;         ///< In the profiled run.
  /// Of a kernel, where asked: Euclidean norm of its result minus LibTorch's over that of LibTorch's,
  /// when both are given the same numbers.
  std::optional<double> error;
};

/// What one pass did.
struct GraphPass {
  std::string name;  ///< "inline calls"
  std::size_t operators_before = 0;
  std::size_t operators_after = 0;
  std::map<std::string, std::int64_t> removed;  ///< Operator -> how many fewer there are.
  std::map<std::string, std::int64_t> added;    ///< Operator -> how many more there are.
  std::int64_t constants_folded = 0;  ///< Results that the pass computed beforehand.
  std::int64_t bytes_folded = 0;      ///< Bytes of the weights that it folded into others.
};

/// The operators of one method, in plain data: names, values, places in the source.
///
/// Holds no weights and nothing of LibTorch's; safe to keep after the model is gone.
struct Graph {
  Stage stage = Stage::initial;
  std::string method;
  std::string engine;  ///< "interpreter", "planned": whose graph this is at stage `optimized`.
  std::string device;  ///< "cpu", "cuda:0"
  std::vector<GraphValue> values;
  GraphBlock body;
  std::vector<GraphPass> passes;   ///< What led from `initial` to this stage, in order.
  std::vector<std::string> notes;  ///< What else is worth knowing: "nothing is fused on cpu: ..."
};

/// How many operators a block executes, those inside kernels, branches, loops and called methods
/// included; constants, attributes and containers are none.
TORCHSHIP_EXPORT std::size_t count_operators(const GraphBlock& block);

/// The graph as LibTorch prints its own, one node a line with the user's source line behind it; then
/// what each pass did, and the notes.
TORCHSHIP_EXPORT std::string to_string(const Graph& graph);

/// Which graph to look at.
struct GraphOptions {
  std::string method;                ///< Empty: the default method.
  /// For stage `optimized`: the call to optimise for. Without inputs the first golden sample of the
  /// method is taken, if there is one.
  std::optional<std::vector<Value>> inputs;
  NamedValues named;
  bool profile = false;  ///< Stage `optimized` only: run the call and take the time of every node.
  /// Stage `optimized` of the engine "planned" only: run the call, kernel by kernel, each on the
  /// numbers that LibTorch computes, and compare its result with LibTorch's.
  bool compare = false;
};

}  // namespace torchship
