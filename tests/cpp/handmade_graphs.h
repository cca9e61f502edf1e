#pragma once

#include <string>
#include <vector>

#include <torchship/graph.h>

namespace torchship {

/// Graphs written by hand, for the tests of what is made of them.
class GraphBuilder {
 public:
  explicit GraphBuilder(Stage stage = Stage::initial) {
    graph_.stage = stage;
    graph_.method = "forward";
    graph_.engine = "interpreter";
    graph_.device = "cpu";
  }

  std::size_t value(const std::string& name, const std::string& type = "Tensor") {
    graph_.values.push_back({.name = name, .type = type, .dtype = {}, .shape = {}});
    return graph_.values.size() - 1;
  }

  std::size_t tensor(const std::string& name, std::vector<std::int64_t> shape) {
    const std::size_t index = value(name);
    graph_.values[index].dtype = at::kFloat;
    graph_.values[index].shape = std::move(shape);
    return index;
  }

  static GraphNode node(const std::string& name, NodeKind kind, std::vector<std::size_t> inputs,
                        std::vector<std::size_t> outputs) {
    GraphNode made;
    made.operator_name = name;
    made.kind = kind;
    made.inputs = std::move(inputs);
    made.outputs = std::move(outputs);
    return made;
  }

  static GraphNode constant(const std::string& text, std::size_t output) {
    GraphNode made = node("prim::Constant", NodeKind::constant, {}, {output});
    made.attributes["value"] = text;
    return made;
  }

  GraphBlock& body() { return graph_.body; }
  Graph& graph() { return graph_; }

 private:
  Graph graph_;
};

/// x + 20, with what lies in module "a.b" and at net.py:3.
inline Graph addition() {
  GraphBuilder builder;
  const std::size_t x = builder.tensor("x", {1, 3});
  const std::size_t twenty = builder.value("5", "int");
  const std::size_t one = builder.value("6", "int");
  const std::size_t sum = builder.tensor("sum", {1, 3});
  GraphNode add = GraphBuilder::node("aten::add", NodeKind::operator_, {x, twenty, one}, {sum});
  add.module = "a.b";
  add.source = "net.py:3";
  builder.body() = {
      {x}, {GraphBuilder::constant("20", twenty), GraphBuilder::constant("1", one), add}, {sum}};
  return builder.graph();
}

/// Three operators in one kernel, then a product by itself; the article's example on CUDA.
inline Graph fused() {
  GraphBuilder builder(Stage::optimized);
  const std::size_t x = builder.tensor("x", {4, 4});
  const std::size_t in = builder.tensor("in", {4, 4});
  const std::size_t product = builder.tensor("product", {4, 4});
  const std::size_t sum = builder.tensor("sum", {4, 4});
  const std::size_t positive = builder.tensor("positive", {4, 4});
  const std::size_t out = builder.tensor("out", {4, 4});
  const std::size_t result = builder.tensor("result", {4, 4});
  const auto call = [](const char* name, std::vector<std::size_t> inputs, std::size_t output) {
    return GraphBuilder::node(name, NodeKind::operator_, std::move(inputs), {output});
  };
  GraphNode kernel = GraphBuilder::node("prim::TensorExprGroup", NodeKind::kernel, {x}, {out});
  kernel.blocks = {{{in},
                    {call("aten::mul", {in, in}, product), call("aten::add", {product, in}, sum),
                     call("aten::relu", {sum}, positive)},
                    {positive}}};
  kernel.microseconds = 30;
  kernel.executions = 2;
  GraphNode product_node = call("aten::matmul", {out, x}, result);
  product_node.microseconds = 90;
  product_node.executions = 2;
  product_node.source = "net.py:7";
  builder.body() = {{x}, {kernel, product_node}, {result}};
  return builder.graph();
}

/// if flag: relu(x) else x; then tanh.
inline Graph branched() {
  GraphBuilder builder;
  const std::size_t x = builder.value("x");
  const std::size_t flag = builder.value("flag", "bool");
  const std::size_t positive = builder.value("positive");
  const std::size_t chosen = builder.value("chosen");
  const std::size_t result = builder.value("result");
  GraphNode branch = GraphBuilder::node("prim::If", NodeKind::control, {flag}, {chosen});
  branch.blocks = {
      {{}, {GraphBuilder::node("aten::relu", NodeKind::operator_, {x}, {positive})}, {positive}},
      {{}, {}, {x}}};
  builder.body() = {
      {x, flag},
      {branch, GraphBuilder::node("aten::tanh", NodeKind::operator_, {chosen}, {result})},
      {result}};
  return builder.graph();
}

/// Every name is what an attacker would like a reader to take for something else.
inline Graph hostile() {
  const std::string bad =
      "</script><script>alert(1)</script>\" "
      "onload=\"alert(1)\\\x1b[31m\xe2\x80\xa8\xe2\x80\xae\xff<!--";
  GraphBuilder builder;
  const std::size_t x = builder.value(bad, bad);
  const std::size_t y = builder.value(bad + "y", bad);
  GraphNode node = GraphBuilder::node(bad, NodeKind::operator_, {x}, {y});
  node.module = bad;
  node.source = bad;
  node.attributes[bad] = bad;
  builder.body() = {{x}, {node}, {y}};
  builder.graph().method = bad;
  builder.graph().notes = {bad};
  builder.graph().passes = {{bad, 2, 1, {{bad, 1}}, {{bad, 1}}, 1, 1}};
  return builder.graph();
}

}  // namespace torchship
