// A graph as a tree of items to draw: modules, calls, branches and kernels are groups, single
// operators are leaves. Edges join leaves, whatever lies between them.
"use strict";

const MOST_CHILDREN = 120; // Of one group; longer runs of nodes are cut into chunks.

/** Nodes that need no box of their own: the details of whoever uses them tell about them. */
function isHidden(node, hiddenValues) {
  if (node.kind === "constant") return true;
  if (node.kind === "attribute") return node.operator.endsWith("GetAttr");
  return node.kind === "container" && node.inputs.length > 0 &&
         node.inputs.every((value) => hiddenValues.has(value));
}

class Item {
  constructor(kind, parent, title) {
    this.kind = kind; // leaf, input, output, module, call, control, branch, kernel, chunk, root
    this.parent = parent;
    this.title = title;
    this.children = [];
    this.node = null;
    this.depth = parent ? parent.depth + 1 : 0;
    this.expanded = true;
    this.id = 0;
    this.name = ""; // Of the module that a leaf makes up by itself.
    this.operators = 0;
    this.microseconds = null;
    if (parent) parent.children.push(this);
  }

  get isGroup() { return !["leaf", "input", "output"].includes(this.kind); }

  ancestors() {
    const list = [];
    for (let item = this.parent; item; item = item.parent) list.push(item);
    return list;
  }
}

class Tree {
  constructor(graph, withSizes) {
    this.graph = graph;
    this.sizes = sizeNodes(graph);
    this.withSizes = withSizes;
    this.items = [];
    this.hidden = new Map();    // Value -> the hidden node that gives it.
    this.producers = new Map(); // Value -> the leaf that gives it.
    this.aliases = new Map();   // Value -> the values that it is another name of.
    // {item, value}: what each leaf or group takes; with `result`, what a branch gives its group as
    // that value of the group's own.
    this.uses = [];
    this.root = this.add("root", null, graph.method);
    this.addInputs(graph.body);
    this.addBlock(graph.body, this.root, "");
    this.addOutputs(graph.body);
    this.edges = this.makeEdges();
    this.tidy(this.root);
    this.number(this.root);
    this.total = totalTime(graph.body);
  }

  add(kind, parent, title) { return new Item(kind, parent, title); }

  addInputs(block) {
    for (const value of block.inputs) {
      const item = this.add("input", this.root, this.graph.values[value].name);
      item.value = value;
      this.producers.set(value, item);
    }
  }

  addOutputs(block) {
    block.outputs.forEach((value, index) => {
      const title = block.outputs.length === 1 ? "output" : "output " + index;
      const item = this.add("output", this.root, title);
      item.value = value;
      this.uses.push({item, value});
    });
  }

  /** Nodes of one block, put under groups by the path of the module that they belong to. */
  addBlock(block, group, base) {
    const open = [{item: group, name: null}];
    for (const node of block.nodes) {
      if (isHidden(node, this.hidden) || (!this.withSizes && this.sizes.has(node))) {
        node.outputs.forEach((value) => this.hidden.set(value, node));
        continue;
      }
      // The module of a call is the one that is called.
      const path = node.kind === "call" ? [] : relativePath(node.module, base);
      let common = 1;
      while (common < open.length && path[common - 1] === open[common].name) ++common;
      open.length = common;
      for (const name of path.slice(common - 1)) {
        const holder = open[open.length - 1].item;
        const item = this.add("module", holder, moduleTitle(holder, name));
        item.module = node.module;
        open.push({item, name});
      }
      this.addNode(node, open[open.length - 1].item);
    }
  }

  addNode(node, parent) {
    const kind = node.blocks.length === 0 ? "leaf" : node.kind === "operator" ? "call" : node.kind;
    const item = this.add(kind, parent, nodeTitle(node));
    item.node = node;
    if (node.microseconds !== undefined) item.microseconds = node.microseconds;
    if (kind === "leaf") {
      node.inputs.forEach((value) => this.uses.push({item, value}));
      node.outputs.forEach((value) => this.producers.set(value, item));
    } else if (kind === "control") {
      this.addControl(node, item);
    } else {
      this.addCalled(node, item);
    }
  }

  /** A call or a kernel: its block's inputs are the last of its own, as `self` may come first. */
  addCalled(node, item) {
    const block = node.blocks[0];
    const extra = node.inputs.length - block.inputs.length;
    block.inputs.forEach((value, index) => this.alias(value, node.inputs[index + extra]));
    this.addBlock(block, item, node.module);
    node.outputs.forEach((value, index) => this.alias(value, block.outputs[index]));
  }

  addControl(node, item) {
    const isLoop = node.operator === "prim::Loop";
    // An If takes its condition; a Loop the number of rounds, whether to start, what it carries.
    node.inputs.slice(0, isLoop ? 2 : undefined).forEach((value) => this.uses.push({item, value}));
    node.blocks.forEach((block, index) => {
      const branch = this.add("branch", item, isLoop ? "body" : index === 0 ? "if true" : "else");
      if (isLoop) {
        block.inputs.slice(1).forEach((value, k) => this.alias(value, node.inputs[2 + k]));
        // The counter has no other origin than the loop itself.
      }
      this.addBlock(block, branch, node.module);
      const results = block.outputs.slice(isLoop ? 1 : 0);
      node.outputs.forEach((result, k) => this.uses.push({item, value: results[k], result}));
    });
    node.outputs.forEach((value) => this.producers.set(value, item));
  }

  alias(value, other) {
    if (other === undefined || other === value) return;
    if (!this.aliases.has(value)) this.aliases.set(value, []);
    this.aliases.get(value).push(other);
  }

  /** The values of leaves, branches, loops or inputs of which `value` may be another name. */
  origins(value) {
    const seen = new Set();
    const found = new Set();
    const waiting = [value];
    while (waiting.length > 0) {
      const next = waiting.pop();
      if (seen.has(next)) continue;
      seen.add(next);
      if (this.producers.has(next) || this.hidden.has(next)) found.add(next);
      else waiting.push(...(this.aliases.get(next) || []));
    }
    return [...found];
  }

  makeEdges() {
    const edges = [];
    for (const {item, value, result} of this.uses) {
      for (const origin of this.origins(value)) {
        const from = this.producers.get(origin);
        if (from && from !== item) edges.push({from, to: item, value: origin, result});
      }
    }
    const used = new Set(edges.map((edge) => edge.from));
    const isModel = (item) => this.graph.values[item.value].type.startsWith("__torch__");
    this.root.children = this.root.children.filter(
        (item) => item.kind !== "input" || used.has(item) || !isModel(item));
    return edges;
  }

  /**
   * Joins chains of modules that hold one another and nothing else, leaves out those of one
   * operator, and cuts long runs into chunks.
   */
  tidy(group) {
    while (group.kind === "module" && group.children.length === 1 &&
           group.children[0].kind === "module") {
      const inner = group.children[0];
      group.title = inner.title.startsWith(group.title + ".") ? inner.title
                                                              : group.title + "." + inner.title;
      group.children = inner.children;
      group.children.forEach((child) => { child.parent = group; });
    }
    group.children.filter((child) => child.isGroup).forEach((child) => this.tidy(child));
    group.children = group.children.map(aloneInModule);
    if (group.children.length > MOST_CHILDREN) this.cut(group);
  }

  cut(group) {
    const runs = {inputs: [], steps: [], outputs: []};
    for (const child of group.children) {
      const run = {input: "inputs", output: "outputs"}[child.kind] || child.run || "steps";
      runs[run].push(child);
    }
    group.children = [];
    const longest = Object.values(runs).reduce((most, run) => Math.max(most, run.length), 0);
    for (const [name, run] of Object.entries(runs)) {
      if (run.length < longest) group.children.push(...run);
      else this.chunks(group, name, run);
    }
    if (group.children.length > MOST_CHILDREN) this.cut(group);
  }

  chunks(group, name, run) {
    const size = Math.min(MOST_CHILDREN, Math.max(30, Math.ceil(Math.sqrt(run.length))));
    for (let start = 0; start < run.length; start += size) {
      const inside = run.slice(start, start + size);
      const chunk = this.add("chunk", group, "");
      chunk.children = inside;
      chunk.run = name;
      chunk.first = inside[0].first ?? start + 1;
      chunk.last = inside[inside.length - 1].last ?? start + inside.length;
      chunk.title = `${name} ${chunk.first} to ${chunk.last}`;
      inside.forEach((child) => { child.parent = chunk; });
    }
  }

  /** Numbers the items in their order, and sums operators and times up. */
  number(item) {
    item.id = this.items.length;
    item.depth = item.parent ? item.parent.depth + 1 : 0;
    this.items.push(item);
    item.children.forEach((child) => this.number(child));
    item.operators = item.children.reduce(
        (sum, child) => sum + child.operators, item.node && item.node.kind === "operator" ? 1 : 0);
    if (item.microseconds === null) {
      const times = item.children.map((child) => child.microseconds).filter((t) => t !== null);
      if (times.length > 0) item.microseconds = times.reduce((sum, time) => sum + time, 0);
    }
  }

  sizeOperators() {
    return [...this.sizes].filter((node) => node.kind === "operator").length;
  }

  /** Opens groups from the outside in, as long as no more than `limit` items are to be seen. */
  expandUpTo(limit) {
    let level = this.root.children.filter((item) => item.isGroup);
    let seen = this.root.children.length;
    this.items.forEach((item) => { item.expanded = item === this.root; });
    while (level.length > 0) {
      const inner = level.reduce((sum, item) => sum + item.children.length, 0);
      if (seen + inner > limit) return;
      seen += inner;
      level.forEach((item) => { item.expanded = true; });
      level = level.flatMap((item) => item.children.filter((child) => child.isGroup));
    }
  }

  expandAll(expanded) {
    this.items.forEach((item) => { item.expanded = expanded || item === this.root; });
  }

  reveal(item) { item.ancestors().forEach((group) => { group.expanded = true; }); }

  /** The outermost collapsed group around an item, or the item. */
  visible(item) {
    return item.ancestors().reverse().find((group) => !group.expanded) || item;
  }
}

/** The only operator of a module or call, which then bears its name; or the item as it is. */
function aloneInModule(item) {
  if (!["module", "call"].includes(item.kind) || item.children.length !== 1) return item;
  const only = item.children[0];
  if (only.kind !== "leaf") return item;
  only.name = item.title;
  only.parent = item.parent;
  return only;
}

/** "layers.0" for the first of `layers`: a number alone says little. */
function moduleTitle(holder, name) {
  return /^\d+$/.test(name) && holder.kind === "module" ? `${holder.title}.${name}` : name;
}

function relativePath(module, base) {
  if (module === base || module === "") return [];
  const inside = base !== "" && module.startsWith(base + ".");
  return (inside ? module.slice(base.length + 1) : module).split(".");
}

/** Microseconds of a block's nodes in the profiled run; null where no time was taken. */
function totalTime(block) {
  let total = null;
  for (const node of block.nodes) {
    const isTimed = node.microseconds !== undefined;
    const times = isTimed ? [node.microseconds] : node.blocks.map(totalTime);
    for (const time of times) if (time !== null) total = (total || 0) + time;
  }
  return total;
}

function nodeTitle(node) {
  if (node.kind === "call") {
    const name = node.attributes.name || node.operator;
    const last = /[^.]*(\.\d+)?$/.exec(node.module)[0];
    if (last === "") return name;
    return name === "forward" ? last : `${last}.${name}`;
  }
  return node.operator.replace(/^(aten|prim)::/, "");
}
