#include "graph.h"

#include <pybind11/stl.h>
#include <torchship/torchship.h>

#include "convert.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

void bind_nodes(py::module_& module) {
  py::class_<GraphValue>(module, "GraphValue")
      .def_readonly("name", &GraphValue::name)
      .def_readonly("type", &GraphValue::type)
      .def_property_readonly("dtype",
                             [](const GraphValue& value) {
                               return value.dtype ? std::optional(to_string(*value.dtype))
                                                  : std::nullopt;
                             })
      .def_readonly("shape", &GraphValue::shape);
  py::class_<GraphNode> node(module, "GraphNode");
  py::class_<GraphBlock>(module, "GraphBlock")
      .def_readonly("inputs", &GraphBlock::inputs)
      .def_readonly("nodes", &GraphBlock::nodes)
      .def_readonly("outputs", &GraphBlock::outputs);
  node.def_readonly("operator_name", &GraphNode::operator_name)
      .def_property_readonly("kind", [](const GraphNode& node) { return to_string(node.kind); })
      .def_readonly("inputs", &GraphNode::inputs)
      .def_readonly("outputs", &GraphNode::outputs)
      .def_readonly("attributes", &GraphNode::attributes)
      .def_readonly("module", &GraphNode::module)
      .def_readonly("source", &GraphNode::source)
      .def_readonly("blocks", &GraphNode::blocks)
      .def_readonly("microseconds", &GraphNode::microseconds)
      .def_readonly("error", &GraphNode::error)
      .def_readonly("executions", &GraphNode::executions)
      .def("__repr__", [](const GraphNode& node) { return "<" + node.operator_name + ">"; });
}

void bind_graphs(py::module_& module) {
  py::class_<GraphPass>(module, "GraphPass")
      .def_readonly("name", &GraphPass::name)
      .def_readonly("operators_before", &GraphPass::operators_before)
      .def_readonly("operators_after", &GraphPass::operators_after)
      .def_readonly("removed", &GraphPass::removed)
      .def_readonly("added", &GraphPass::added)
      .def_readonly("constants_folded", &GraphPass::constants_folded)
      .def_readonly("bytes_folded", &GraphPass::bytes_folded);
  py::class_<Graph>(module, "Graph", "The operators of one method at one stage; str() prints them.")
      .def_property_readonly("stage", [](const Graph& graph) { return to_string(graph.stage); })
      .def_readonly("method", &Graph::method)
      .def_readonly("engine", &Graph::engine)
      .def_readonly("device", &Graph::device)
      .def_readonly("values", &Graph::values)
      .def_readonly("body", &Graph::body)
      .def_property_readonly("operators",
                             [](const Graph& graph) { return count_operators(graph.body); })
      .def_readonly("passes", &Graph::passes)
      .def_readonly("notes", &Graph::notes)
      .def("__str__", [](const Graph& graph) { return to_string(graph); })
      .def("__repr__", [](const Graph& graph) {
        return "<torchship.Graph " + graph.method + " " + std::string(to_string(graph.stage)) + ", " +
               std::to_string(count_operators(graph.body)) + " operators>";
      });
}

/// Inputs by position in a list or tuple, by name in a dict.
void add_inputs(const py::object& inputs, GraphOptions& options) {
  if (inputs.is_none()) return;
  options.inputs.emplace();
  if (py::isinstance<py::dict>(inputs)) {
    options.named = named_values(inputs);
    return;
  }
  if (!py::isinstance<py::list>(inputs) && !py::isinstance<py::tuple>(inputs)) {
    throw SignatureError("inputs must be a list or tuple, or a dict by name, got " +
                         py::repr(py::type::of(inputs)).cast<std::string>());
  }
  for (const py::handle input : inputs) options.inputs->push_back(from_python(input));
}

Graph graph(const Model& model, const std::string& stage, const std::optional<std::string>& method,
            const py::object& inputs, bool profile, bool compare) {
  GraphOptions options{.method = method.value_or(""),
                       .inputs = {},
                       .named = {},
                       .profile = profile,
                       .compare = compare};
  add_inputs(inputs, options);
  const py::gil_scoped_release release;
  return model.graph(parse_stage(stage), options);
}

Graph graph_for(const Model& model, const py::args& args, const py::kwargs& kwargs) {
  GraphOptions options;
  add_inputs(args, options);
  options.named = named_values(kwargs);
  const py::gil_scoped_release release;
  return model.graph(Stage::optimized, options);
}

}  // namespace

void bind_graph(py::module_& module, py::class_<Model>& model) {
  bind_nodes(module);
  bind_graphs(module);
  model
      .def("graph", &graph, py::arg("stage") = "optimized", py::kw_only(),
           py::arg("method") = py::none(), py::arg("inputs") = py::none(),
           py::arg("profile") = false, py::arg("compare") = false,
           "The operators of a method at stage 'initial' (as it was recorded), 'frozen' (ready for "
           "inference) or 'optimized' (what the engine executes, for these inputs): with `profile` the "
           "time that each took, with `compare` how far each kernel of the engine 'planned' is from "
           "LibTorch's operators.")
      .def("graph_for", &graph_for,
           "What the engine executes for these inputs of the default method.");
}

}  // namespace torchship::bindings
