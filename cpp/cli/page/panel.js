// What stands beside the diagram: details of an item, and tables.
"use strict";

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function table(headings, rows, className) {
  const made = element("table", className || "");
  const head = made.createTHead().insertRow();
  headings.forEach((heading) => head.append(element("th", "", heading)));
  const body = made.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) {
      if (cell instanceof Node) row.insertCell().append(cell);
      else row.insertCell().textContent = cell;
    }
  }
  return made;
}

function pairs(entries) {
  const list = element("dl");
  for (const [key, value] of entries) {
    if (value === "" || value === undefined || value === null) continue;
    list.append(element("dt", "", key));
    const place = element("dd");
    place.append(value instanceof Node ? value : shown(value));
    list.append(place);
  }
  return list;
}

class Panel {
  constructor(place, tabs, actions) {
    this.place = place;
    this.tabs = tabs;
    this.actions = actions; // select(item), search(text)
    this.current = "details";
    this.item = null;
  }

  show(tree) {
    this.tree = tree;
    this.item = null;
    const graph = tree.graph;
    const names = [["details", "Details"]];
    if (graph.passes.length > 0) names.push(["passes", "Passes"]);
    if (tree.total !== null) names.push(["time", "Time"]);
    if (graph.notes.length > 0) names.push(["notes", `Notes ${graph.notes.length}`]);
    if (!names.some(([name]) => name === this.current)) this.current = "details";
    this.tabs.replaceChildren(...names.map(([name, title]) => this.tab(name, title)));
    this.render();
  }

  tab(name, title) {
    const button = element("button", "", title);
    button.setAttribute("role", "tab");
    button.dataset.tab = name;
    button.addEventListener("click", () => this.open(name));
    return button;
  }

  open(name) {
    this.current = name;
    this.render();
  }

  select(item) {
    this.item = item;
    this.open("details");
  }

  render() {
    for (const button of this.tabs.children) {
      button.setAttribute("aria-selected", String(button.dataset.tab === this.current));
    }
    const parts = {
      details: () => this.item ? this.details(this.item) : this.overview(),
      passes: () => this.passes(), time: () => this.times(), notes: () => this.notes(),
    };
    this.place.replaceChildren(...parts[this.current]());
  }

  overview() {
    const {graph} = this.tree;
    const describe = (value) => `${graph.values[value].name}: ${formatType(graph.values[value])}`;
    const list = (values) => values.map(describe).join("\n");
    return [
      element("h2", "", `${graph.method} at stage ${graph.stage}`),
      pairs([
        ["operators", graph.operators.toLocaleString("en") + this.sizesText()],
        ["device", graph.device], ["engine", graph.engine],
        ["time", this.tree.total === null ? "" : formatTime(this.tree.total)],
        ["inputs", lines(list(graph.body.inputs))], ["outputs", lines(list(graph.body.outputs))],
      ]),
      element("p", "hint", "Choose a box for its inputs, outputs, attributes and source. " +
              "A click on a group's title opens and closes it. Drag to move, turn the wheel to " +
              "zoom; keys: + \u2212 0 arrows, / to search, Enter for the next hit."),
    ];
  }

  sizesText() {
    const count = this.tree.sizeOperators();
    return count === 0 || this.tree.withSizes ? "" : `, ${count} of them not drawn: sizes`;
  }

  details(item) {
    const {graph} = this.tree;
    const node = item.node;
    const parts = [element("h2", "", shown(item.title))];
    const value = item.value === undefined ? null : graph.values[item.value];
    parts.push(pairs([
      ["operator", node ? node.operator : ""],
      ["kind", node ? node.kind : item.kind],
      ["type", value ? formatType(value) : ""],
      ["value", value ? value.name : ""],
      ["module", node ? node.module : item.module],
      ["source", node ? node.source : ""],
      ["operators", item.isGroup ? String(item.operators) : ""],
      ["time", item.microseconds === null ? "" : `${formatTime(item.microseconds)}, ` +
               formatShare(item.microseconds, this.tree.total)],
      ["executions", node ? node.executions : ""],
    ]));
    if (node) {
      parts.push(...this.values("Inputs", node.inputs, (each) => this.origins(each)));
      parts.push(...this.values("Outputs", node.outputs, (each) => this.consumers(each)));
      const attributes = Object.entries(node.attributes);
      if (attributes.length > 0) parts.push(element("h3", "", "Attributes"), pairs(attributes));
    } else if (value) {
      const ends = item.kind === "input" ? this.consumers(item.value) : this.origins(item.value);
      parts.push(element("h3", "", item.kind === "input" ? "Used by" : "Comes from"), ...ends);
    }
    return parts;
  }

  values(heading, values, others) {
    if (values.length === 0) return [];
    const list = element("ol", "values");
    list.start = 0;
    for (const value of values) {
      const entry = element("li");
      const hidden = this.tree.hidden.get(value);
      entry.append(element("code", "name", shown(this.tree.graph.values[value].name)), " ");
      entry.append(element("code", "type", shown(formatType(this.tree.graph.values[value]))));
      if (hidden) entry.append(element("div", "constant", this.hiddenText(hidden)));
      entry.append(...others(value));
      list.append(entry);
    }
    return [element("h3", "", heading), list];
  }

  /** "= 20." of a constant, "self.fc.weight" of an attribute, "= [1, 1]" of a list of constants. */
  hiddenText(node, depth = 0) {
    if (node.kind === "constant") return "= " + shown(node.attributes.value ?? "None");
    if (depth > 20) return "\u2026";
    if (node.kind === "attribute") {
      const owner = this.tree.hidden.get(node.inputs[0]);
      const path = owner ? this.hiddenText(owner, depth + 1)
                         : shown(this.tree.graph.values[node.inputs[0]].name);
      return `${path}.${shown(node.attributes.name ?? "")}`;
    }
    if (depth > 3) return "\u2026";
    if (this.tree.sizes.has(node) && node.kind === "operator") {
      const taken = node.inputs.slice(0, 8).map((value) => {
        const inner = this.tree.hidden.get(value);
        return inner ? this.hiddenText(inner, depth + 1).replace(/^= /, "")
                     : shown(this.tree.graph.values[value].name);
      });
      return `= ${shown(nodeTitle(node))}(${taken.join(", ")})`;
    }
    const inside = node.inputs.slice(0, 16).map((value) => {
      const inner = this.tree.hidden.get(value);
      return inner ? this.hiddenText(inner, depth + 1).replace(/^= /, "") : "";
    });
    return `= [${inside.join(", ")}${node.inputs.length > 16 ? ", \u2026" : ""}]`;
  }

  origins(value) {
    const {producers} = this.tree;
    return this.links("from", this.tree.origins(value).map((each) => producers.get(each)));
  }

  consumers(value) {
    const wanted = new Set(this.tree.origins(value));
    return this.links("to", this.tree.edges.filter((edge) => wanted.has(edge.value))
                                .map((edge) => edge.to));
  }

  links(word, items) {
    const unique = [...new Set(items)].filter((item) => item);
    const shownItems = unique.slice(0, 12).map((item) => {
      const button = element("button", "link", shortName(item.title));
      button.addEventListener("click", () => this.actions.select(item));
      return button;
    });
    if (shownItems.length === 0) return [];
    const place = element("div", "links", word + " ");
    place.append(...shownItems);
    if (unique.length > 12) place.append(` and ${unique.length - 12} more`);
    return [place];
  }

  passes() {
    const counts = (items, sign) =>
        Object.entries(items).map(([name, count]) => `${sign}${count} ${shown(name)}`);
    const rows = this.tree.graph.passes.map((pass) => {
      const changes = element("div", "changes");
      const tell = (texts, look) =>
          changes.append(...texts.map((text) => element("span", look, text)));
      tell(counts(pass.removed, "\u2212"), "less");
      tell(counts(pass.added, "+"), "more");
      if (pass.constants_folded > 0) {
        changes.append(element("span", "", plural(pass.constants_folded, "constant") + " folded"));
      }
      if (pass.bytes_folded > 0) {
        changes.append(element("span", "", formatBytes(pass.bytes_folded) + " folded"));
      }
      const name = element("div", "", shown(pass.name));
      name.append(changes);
      return [name, `${pass.operators_before} \u2192 ${pass.operators_after}`];
    });
    return [element("h2", "", "What each pass did"),
            table(["pass", "operators"], rows, "passes")];
  }

  times() {
    const {byOperator, bySource} = sumTimes(this.tree.graph);
    const whole = this.tree.total;
    const rows = (groups) => groups.map(([name, {time, calls}]) => {
      const button = element("button", "link", shown(name, 80));
      button.title = shown(name);
      button.addEventListener("click", () => this.actions.search(name));
      const bar = element("span", "bar");
      bar.style.width = (100 * time / whole).toFixed(1) + "%";
      const share = element("div", "share", formatShare(time, whole));
      share.append(bar);
      return [button, calls.toLocaleString("en"), formatTime(time), share];
    });
    const headings = (first) => [first, "calls", "time", "share"];
    return [
      element("h2", "", `${formatTime(whole)} in all`),
      element("h3", "", "By operator"), table(headings("operator"), rows(byOperator), "times"),
      element("h3", "", "By source line"), table(headings("line"), rows(bySource), "times"),
    ];
  }

  notes() {
    const list = element("ul", "notes");
    this.tree.graph.notes.forEach((note) => list.append(element("li", "", shown(note))));
    return [element("h2", "", "Notes"), list];
  }
}

function lines(text) {
  const place = element("div", "lines", text);
  place.textContent = text.split("\n").map((line) => shown(line)).join("\n");
  return place;
}

/** Time by operator and by line of the user's source, the longest first. */
function sumTimes(graph) {
  const byOperator = new Map();
  const bySource = new Map();
  const put = (map, name, time, calls) => {
    const sum = map.get(name) || {time: 0, calls: 0};
    map.set(name, {time: sum.time + time, calls: sum.calls + calls});
  };
  const visit = (block) => block.nodes.forEach((node) => {
    node.blocks.forEach(visit);
    if (node.microseconds === undefined) return;
    const inside = node.blocks.reduce((sum, inner) => sum + (totalTime(inner) || 0), 0);
    const own = Math.max(0, node.microseconds - inside);
    put(byOperator, node.operator, own, node.executions || 0);
    put(bySource, node.source || "(unknown)", own, node.executions || 0);
  });
  visit(graph.body);
  const sorted = (map) => [...map].sort((left, right) => right[1].time - left[1].time);
  return {byOperator: sorted(byOperator), bySource: sorted(bySource)};
}
