#pragma once

#include <complex>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include "exported/size_expression.h"

namespace torchship {

// An exported program as its file describes it, checked in itself and nothing more. The names are
// those of torch/_export/serde/schema.py.

struct ExportedGraph;

/// A value that the graph has by this name: a tensor, a number, or a bool.
struct ExportedName {
  std::string name;
};

/// An object of a class that Python or C++ registered.
struct ExportedObject {
  std::string name;
  std::string class_name;
};

struct ExportedSubgraph {
  std::string name;
  std::shared_ptr<const ExportedGraph> graph;
};

/// An argument of an operator, or a result.
struct ExportedArgument {
  using List = std::vector<ExportedArgument>;
  using Dict = std::vector<std::pair<std::string, ExportedArgument>>;

  std::variant<std::monostate, ExportedName, std::int64_t, double, bool, std::string,
               std::complex<double>, c10::ScalarType, c10::Layout, c10::MemoryFormat, c10::Device,
               ExportedObject, ExportedSubgraph, List, Dict>
      value;

  bool is_none() const { return std::holds_alternative<std::monostate>(value); }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&value);
  }
};

struct ExportedInput {
  std::string name;  ///< Of the operator's schema; empty where it has none.
  ExportedArgument argument;
};

struct ExportedNode {
  std::string target;  ///< "torch.ops.aten.add.Tensor", "_operator.mul"
  std::vector<ExportedInput> inputs;
  std::vector<ExportedArgument> outputs;
  std::string stack_trace;   ///< Of the user's code, outermost call first; may be empty.
  std::string module_stack;  ///< "key,path,class;key,path,class"; may be empty.
};

/// What is known of a tensor.
struct ExportedTensor {
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  std::vector<SizeExpression> sizes;
  std::vector<SizeExpression> strides;
  SizeExpression offset;
  c10::Device device = c10::kCPU;
  c10::Layout layout = c10::kStrided;
};

struct ExportedGraph {
  std::vector<ExportedArgument> inputs;
  std::vector<ExportedArgument> outputs;
  std::vector<ExportedNode> nodes;
  std::map<std::string, ExportedTensor> tensors;  ///< Those among inputs and outputs.
  std::map<std::string, SizeExpression> integers;
  std::set<std::string> floats;
  std::set<std::string> booleans;
};

/// What an input of the graph stands for.
struct ExportedInputSpec {
  enum class Kind { user_input, constant, parameter, buffer, tensor_constant, object, token };

  Kind kind = Kind::user_input;
  std::string name;         ///< Of the input in the graph.
  std::string target;       ///< Of a weight: its name in the model.
  ExportedArgument value;   ///< Of a constant.
  bool persistent = true;   ///< Of a buffer.
};

/// What an output of the graph is for.
struct ExportedOutputSpec {
  enum class Kind { user_output, buffer_mutation, parameter_mutation, input_mutation, token };

  Kind kind = Kind::user_output;
  ExportedArgument value;
  std::string target;  ///< What changes.
};

struct ExportedRange {
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
};

struct ExportedVersion {
  std::int64_t major = 0;
  std::int64_t minor = 0;
};

struct ExportedProgram {
  ExportedVersion version;
  std::string torch;  ///< The version that wrote it.
  ExportedGraph graph;
  std::vector<ExportedInputSpec> inputs;    ///< One for each input of the graph.
  std::vector<ExportedOutputSpec> outputs;  ///< One for each output.
  std::map<std::string, ExportedRange> ranges;
  std::vector<std::string> guards;  ///< Conditions on the inputs, in Python.
  std::string in_tree;   ///< torch.utils._pytree's of (arguments, arguments by name), as JSON.
  std::string out_tree;
  std::vector<std::string> argument_names;  ///< Of the call; may be empty.
  std::map<std::string, std::vector<std::string>> tuple_fields;
  std::map<std::string, std::string> module_classes;  ///< By path; empty for the model itself.
};

}  // namespace torchship
