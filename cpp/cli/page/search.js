// Search: which items have the text in their operator, values, module or source line.
"use strict";

class Search {
  constructor(tree) {
    this.tree = tree;
    this.hits = [];
    this.index = -1;
    this.texts = tree.items.map((item) => this.textOf(item));
  }

  textOf(item) {
    if (item === this.tree.root || item.kind === "branch" || item.kind === "chunk") return "";
    const parts = [item.title, item.module || ""];
    const names = (values) => values.map((value) => this.tree.graph.values[value].name);
    if (item.value !== undefined) parts.push(...names([item.value]));
    if (item.node) {
      parts.push(item.node.operator, item.node.module, item.node.source);
      parts.push(...names(item.node.inputs), ...names(item.node.outputs));
    }
    return parts.join("\n").toLowerCase();
  }

  find(text) {
    const wanted = text.trim().toLowerCase();
    this.hits = wanted === "" ? []
              : this.tree.items.filter((item, index) => this.texts[index].includes(wanted));
    this.index = -1;
  }

  /** The next hit, or with -1 the one before; null when there is none. */
  step(direction) {
    const count = this.hits.length;
    if (count === 0) return null;
    this.index = this.index < 0 ? (direction > 0 ? 0 : count - 1)
                                : (this.index + direction + count) % count;
    return this.hits[this.index];
  }

  status() {
    if (this.hits.length === 0) return "no hits";
    if (this.index < 0) return plural(this.hits.length, "hit");
    return `${this.index + 1} of ${this.hits.length}`;
  }
}
