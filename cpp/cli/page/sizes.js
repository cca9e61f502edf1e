// Which nodes only work sizes out.
"use strict";

const NUMBER_TYPES = new Set(["int", "bool", "Scalar", "number", "int[]", "List[int]"]);

/**
 * Nodes that only work sizes out: what they give are numbers, or the tracer's tensors of numbers,
 * and it ends up neither in the result nor in a condition. They would hide what a traced model
 * computes.
 */
function sizeNodes(graph) {
  const numbers = new Set();
  const found = new Set();
  const wanted = [...graph.body.outputs];
  const visit = (block) => block.nodes.forEach((node) => {
    const known = (value) => numbers.has(value);
    const givesNumbers = node.outputs.length > 0 && node.outputs.every(
        (value) => NUMBER_TYPES.has(graph.values[value].type));
    const staysNumbers = node.operator === "prim::NumToTensor" ||
        (node.inputs.length > 0 && node.inputs.every(known));
    if (node.kind === "constant" || (node.blocks.length === 0 && (givesNumbers || staysNumbers))) {
      node.outputs.forEach((value) => numbers.add(value));
      if (node.kind === "operator" || node.kind === "container") found.add(node);
    }
    for (const inner of node.blocks) {
      wanted.push(...node.inputs, ...inner.outputs);
      visit(inner);
    }
  });
  visit(graph.body);
  return keepWanted(found, wanted);
}

/** Without the nodes that `wanted` values come from. */
function keepWanted(nodes, wanted) {
  const makers = new Map();
  for (const node of nodes) node.outputs.forEach((value) => makers.set(value, node));
  while (wanted.length > 0) {
    const node = makers.get(wanted.pop());
    if (!nodes.delete(node)) continue;
    wanted.push(...node.inputs);
  }
  return nodes;
}
