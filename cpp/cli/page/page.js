// The page: puts the parts together.
"use strict";

const SEEN_AT_FIRST = 160; // Items of a diagram when the page opens.
const ASK_BEFORE = 3000;   // Expanding more items than this takes a while.

const byId = (id) => document.getElementById(id);

class Page {
  constructor(data) {
    this.data = data;
    this.trees = data.graphs.map(() => null);
    this.viewport = new Viewport(byId("diagram"), byId("view"), byId("scale"));
    this.panel = new Panel(byId("panel"), byId("tabs"), {
      select: (item) => this.goTo(item),
      search: (text) => { byId("search").value = text; this.find(); this.step(1); },
    });
    document.title = `${shown(data.title)} \u2013 torchship graph`;
    byId("title").textContent = shown(data.title, 80);
    this.makeStages();
    this.listen();
    this.openStage(data.first);
  }

  makeStages() {
    this.data.graphs.forEach((graph, index) => {
      const button = element("button", "", graph.stage);
      button.setAttribute("role", "tab");
      button.dataset.stage = graph.stage;
      button.title = plural(graph.operators, "operator");
      button.addEventListener("click", () => this.openStage(index));
      byId("stages").append(button);
    });
  }

  openStage(index) {
    this.index = index;
    [...byId("stages").children].forEach((button, each) => {
      button.setAttribute("aria-selected", String(each === index));
    });
    const graph = this.data.graphs[index];
    const withSizes = byId("sizes").checked;
    if (!this.trees[index] || this.trees[index].withSizes !== withSizes) {
      this.trees[index] = new Tree(graph, withSizes);
      this.trees[index].expandUpTo(SEEN_AT_FIRST);
    }
    this.tree = this.trees[index];
    byId("subtitle").textContent = [graph.method, plural(graph.operators, "operator"), graph.engine,
                                    graph.device].filter((part) => part).join(" \u00b7 ");
    this.selected = null;
    this.search = new Search(this.tree);
    this.search.find(byId("search").value);
    byId("sizes").parentElement.hidden = this.tree.sizeOperators() === 0;
    this.offerColours();
    this.panel.show(this.tree);
    this.showNote(graph);
    this.draw();
    this.viewport.start();
  }

  offerColours() {
    const select = byId("colour");
    const timed = this.tree.total !== null;
    const options = timed ? [["time", "by time"], ["kind", "by kind"]] : [["kind", "by kind"]];
    select.replaceChildren(...options.map(([value, text]) => {
      const option = element("option", "", text);
      option.value = value;
      return option;
    }));
    select.disabled = !timed;
  }

  showNote(graph) {
    const note = byId("note");
    note.hidden = graph.notes.length === 0;
    if (note.hidden) return;
    const more = graph.notes.length > 1 ? ` (and ${graph.notes.length - 1} more)` : "";
    note.textContent = shown(graph.notes[0], 240) + more;
  }

  draw() {
    const layout = new Layout(this.tree);
    this.drawing = new Drawing(this.tree, layout, byId("colour").value);
    byId("view").replaceChildren(this.drawing.element);
    this.viewport.size = {width: this.tree.root.width, height: this.tree.root.height};
    this.mark();
    this.showLegend();
  }

  /** Redraws and keeps an item where it was on the screen. */
  redrawAround(item) {
    const before = Drawing.position(item);
    this.draw();
    const after = Drawing.position(item);
    const {scale} = this.viewport;
    this.viewport.pan(scale * (before.x - after.x), scale * (before.y - after.y));
  }

  toggle(item) {
    item.expanded = !item.expanded;
    this.redrawAround(item);
  }

  expandAll(expanded) {
    if (expanded && this.tree.items.length > ASK_BEFORE &&
        !confirm(`Draw ${plural(this.tree.items.length, "box")}? This can take a while.`)) {
      return;
    }
    this.tree.expandAll(expanded);
    this.draw();
    this.viewport.start();
  }

  select(item) {
    this.selected = item;
    if (item) this.panel.select(item);
    this.mark();
  }

  /** Opens what holds an item, selects it, and moves it into the middle. */
  goTo(item) {
    if (this.tree.visible(item) !== item) {
      this.tree.reveal(item);
      this.draw();
    }
    this.select(item);
    this.viewport.centre(Drawing.position(item));
  }

  find() {
    this.search.find(byId("search").value);
    byId("hits").textContent = byId("search").value.trim() === "" ? "" : this.search.status();
    byId("hits").title = this.tree.sizeOperators() > 0 && !this.tree.withSizes
        ? "Sizes are not drawn, and not searched" : "";
    this.mark();
  }

  step(direction) {
    const item = this.search.step(direction);
    if (!item) return;
    this.goTo(item);
    byId("hits").textContent = this.search.status();
  }

  mark() {
    const hits = new Set(this.search.hits);
    const around = new Set(this.search.hits.map((item) => this.tree.visible(item)));
    for (const [item, place] of this.drawing.elements) {
      place.classList.toggle("hit", hits.has(item) || (around.has(item) && !item.expanded));
      place.classList.toggle("selected", item === this.selected);
      if (item === this.selected) place.setAttribute("tabindex", "0");
    }
    this.markEdges();
  }

  markEdges() {
    const chosen = new Set();
    if (this.selected && !this.selected.isGroup) {
      for (const edge of this.tree.edges) {
        if (edge.from === this.selected || edge.to === this.selected) chosen.add(edge.value);
      }
    }
    for (const path of this.drawing.element.querySelectorAll(".edge")) {
      const values = path.dataset.values.split(" ").map(Number);
      path.classList.toggle("chosen", values.some((value) => chosen.has(value)));
    }
  }

  showLegend() {
    const legend = byId("legend");
    if (byId("colour").value === "time") {
      const scale = element("span", "heatbar");
      legend.replaceChildren("no time", scale, "longest");
      return;
    }
    const present = new Set([...this.drawing.elements.keys()].filter((item) => item.node)
                                .map((item) => family(item.node)));
    legend.replaceChildren(...Object.keys(KIND_WORDS).filter((kind) => present.has(kind)).map(
        (kind) => element("span", "key " + kind, KIND_WORDS[kind])));
  }

  listen() {
    const on = (id, name, action) => byId(id).addEventListener(name, action);
    on("diagram", "click", (event) => this.click(event));
    on("diagram", "dblclick", (event) => this.doubleClick(event));
    on("search", "input", () => this.find());
    on("search", "keydown", (event) => {
      if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        byId("search").value = "";
        this.find();
        byId("diagram").focus();
      }
    });
    on("next", "click", () => this.step(1));
    on("previous", "click", () => this.step(-1));
    on("colour", "change", () => this.draw());
    on("sizes", "change", () => this.openStage(this.index));
    on("collapse-all", "click", () => this.expandAll(false));
    on("expand-all", "click", () => this.expandAll(true));
    on("zoom-in", "click", () => this.viewport.zoom(1.25));
    on("zoom-out", "click", () => this.viewport.zoom(0.8));
    on("fit", "click", () => this.viewport.fit());
    on("note", "click", () => this.panel.open("notes"));
    on("theme", "click", () => switchTheme());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  itemAt(event) {
    const place = event.target.closest(".item");
    return place ? this.tree.items[Number(place.dataset.id)] : null;
  }

  click(event) {
    if (this.viewport.moved) return;
    const item = this.itemAt(event);
    if (item && item.isGroup && event.target.closest(".head, .toggle")) this.toggle(item);
    this.select(item);
    if (!item) this.panel.render();
  }

  doubleClick(event) {
    const item = this.itemAt(event);
    if (item && item.isGroup && !item.expanded) this.toggle(item);
  }

  key(event) {
    if (event.target.matches("input, select, textarea")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const {viewport} = this;
    const actions = {
      "+": () => viewport.zoom(1.25), "=": () => viewport.zoom(1.25),
      "-": () => viewport.zoom(0.8), "0": () => viewport.fit(),
      "/": () => byId("search").focus(), "n": () => this.step(1), "N": () => this.step(-1),
      "Escape": () => { this.panel.item = null; this.select(null); this.panel.render(); },
      "ArrowLeft": () => viewport.pan(60, 0), "ArrowRight": () => viewport.pan(-60, 0),
      "ArrowUp": () => viewport.pan(0, 60), "ArrowDown": () => viewport.pan(0, -60),
      "Enter": () => {
        if (this.selected && this.selected.isGroup) this.toggle(this.selected);
      },
    };
    const inDiagram = event.target === document.body || byId("stage").contains(event.target);
    if (!actions[event.key] || (!inDiagram && event.key.startsWith("Arrow"))) return;
    if (event.key === "Enter" && event.target.matches("button")) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function switchTheme() {
  const {dataset} = document.documentElement;
  const dark = dataset.theme ? dataset.theme === "dark"
                             : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = dark ? "light" : "dark";
}

globalThis.page = new Page(JSON.parse(byId("data").textContent));
