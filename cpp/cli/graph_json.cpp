#include "graph_json.h"

namespace torchship::cli {
namespace {

using json = nlohmann::ordered_json;

template <typename T, typename Make>
json array(const std::vector<T>& items, Make&& make) {
  json list = json::array();
  for (const T& item : items) {
    list.push_back(make(item));
  }
  return list;
}

template <typename T>
json object(const std::map<std::string, T>& items) {
  json made = json::object();
  for (const auto& [key, item] : items) {
    made[key] = item;
  }
  return made;
}

json value(const GraphValue& graph_value) {
  json made = {{"name", graph_value.name}, {"type", graph_value.type}};
  if (graph_value.dtype) made["dtype"] = to_string(*graph_value.dtype);
  if (graph_value.shape) made["shape"] = *graph_value.shape;
  return made;
}

json block(const GraphBlock& graph_block);

json node(const GraphNode& graph_node) {
  json made = {{"operator", graph_node.operator_name},
               {"kind", to_string(graph_node.kind)},
               {"inputs", graph_node.inputs},
               {"outputs", graph_node.outputs},
               {"attributes", object(graph_node.attributes)},
               {"module", graph_node.module},
               {"source", graph_node.source},
               {"blocks", array(graph_node.blocks, block)}};
  if (graph_node.error) made["error"] = *graph_node.error;
  if (graph_node.microseconds) {
    made["microseconds"] = *graph_node.microseconds;
    made["executions"] = graph_node.executions;
  }
  return made;
}

json block(const GraphBlock& graph_block) {
  return {{"inputs", graph_block.inputs},
          {"nodes", array(graph_block.nodes, node)},
          {"outputs", graph_block.outputs}};
}

json pass(const GraphPass& graph_pass) {
  return {{"name", graph_pass.name},
          {"operators_before", graph_pass.operators_before},
          {"operators_after", graph_pass.operators_after},
          {"removed", object(graph_pass.removed)},
          {"added", object(graph_pass.added)},
          {"constants_folded", graph_pass.constants_folded},
          {"bytes_folded", graph_pass.bytes_folded}};
}

}  // namespace

json to_json(const Graph& graph) {
  return {{"stage", to_string(graph.stage)},
          {"method", graph.method},
          {"engine", graph.engine},
          {"device", graph.device},
          {"operators", count_operators(graph.body)},
          {"values", array(graph.values, value)},
          {"body", block(graph.body)},
          {"passes", array(graph.passes, pass)},
          {"notes", graph.notes}};
}

std::string ascii(const json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

}  // namespace torchship::cli
