// The tree as SVG.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

function svgText(text, x, y, className, parent) {
  const element = svg("text", {x, y, class: className}, parent);
  element.textContent = text;
  return element;
}

class Drawing {
  constructor(tree, layout, colour) {
    this.tree = tree;
    this.layout = layout;
    this.colour = colour;
    this.elements = new Map(); // Item -> what is drawn for it.
    const timed = tree.items.filter((item) => !item.isGroup || item.kind === "kernel");
    this.slowest = timed.reduce((most, item) => Math.max(most, item.microseconds || 0), 0);
    this.element = svg("g", {class: "drawing"});
    this.group(tree.root, this.element);
  }

  group(group, parent) {
    const level = svg("g", {class: "level"}, parent);
    const edges = svg("g", {class: "edges"}, level);
    for (const edge of this.layout.levels.get(group)) this.edge(edge, edges);
    for (const child of group.children) {
      const place = svg("g", {transform: `translate(${round(child.x)},${round(child.y)})`}, level);
      if (child.isGroup && child.expanded) this.frame(child, place);
      else this.box(child, place);
    }
  }

  edge(edge, parent) {
    const look = edge.arrives ? "edge arrow" : "edge";
    const path = svg("path", {d: curve(edge.points), class: look}, parent);
    path.dataset.values = edge.values.join(" ");
    const values = [...new Set(edge.values)].map((each) => this.tree.graph.values[each]);
    svg("title", {}, path).textContent = values.slice(0, 20).map(
        (value) => `${shown(value.name)}: ${shown(formatType(value))}`).join("\n");
  }

  frame(item, place) {
    place.setAttribute("class", `item group open ${item.kind}`);
    this.mark(item, place);
    const {width, height} = item;
    const shape = svg("rect", {class: "shape", width: round(width), height: round(height), rx: 9},
                      place);
    // Of a kernel's members nobody can tell the time: its frame shows that of all of them.
    if (this.colour === "time" && item.kind === "kernel") this.heatUp(item, place, shape);
    const head = svg("g", {class: "head"}, place);
    svg("rect", {class: "grip", width: round(width), height: HEADER, rx: 9}, head);
    svgText("\u25be", 12, 17.5, "toggle", head);
    svgText(groupTitle(item, this.tree), 26, 17.5, "title", head);
    this.group(item, place);
  }

  box(item, place) {
    const look = item.node ? family(item.node) : item.kind;
    place.setAttribute("class", `item ${item.isGroup ? "group closed" : item.kind} ${look}`);
    this.mark(item, place);
    const {width, height} = item;
    const radius = item.kind === "input" || item.kind === "output" ? height / 2 : 7;
    if (item.isGroup) {
      svg("rect", {class: "shade", x: 4, y: 4, width, height, rx: radius}, place);
    }
    const shape = svg("rect", {class: "shape", width, height, rx: radius}, place);
    if (this.colour === "time" && item.microseconds !== null) {
      this.heatUp(item, place, shape);
    } else if (!item.isGroup && item.node) {
      svg("rect", {class: "stripe", width: 4, height: height - 10, x: 5, y: 5, rx: 2}, place);
    }
    if (item.isGroup) svgText("\u25b8", 11, 19.5, "toggle", place);
    item.lines.forEach((line, index) => {
      svgText(line, width / 2, 19.5 + 16 * index, index === 0 ? "title" : "detail", place);
    });
  }

  heatUp(item, place, shape) {
    const most = item.isGroup && item.kind !== "kernel" ? this.tree.total : this.slowest;
    place.classList.add("heated");
    shape.style.fill = heat(most > 0 ? (item.microseconds || 0) / most : 0);
  }

  mark(item, place) {
    place.dataset.id = item.id;
    place.dataset.kind = item.node ? item.node.kind : item.kind;
    place.setAttribute("role", "button");
    place.setAttribute("tabindex", "-1");
    place.setAttribute("aria-label", `${shown(item.title)} ${place.dataset.kind}`);
    if (item.isGroup) place.setAttribute("aria-expanded", String(item.expanded));
    this.elements.set(item, place);
  }

  /** Where an item lies in the whole drawing. */
  static position(item) {
    let [x, y] = [item.x, item.y];
    for (let group = item.parent; group.parent; group = group.parent) {
      x += group.x;
      y += group.y;
    }
    return {x, y, width: item.width, height: item.height};
  }
}
