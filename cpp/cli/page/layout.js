// Where everything goes: each open group is laid out by itself, from the inside out; what crosses
// its border does so at ports.
"use strict";

const HEADER = 26;   // Height of a group's title.
const PADDING = 14;  // Inside a group, and around the whole.
const LEAF_MIN = 92; // Width of the smallest box.

const ruler = document.createElement("canvas").getContext("2d");

function textWidth(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** The lines that stand in a box, and its size. */
function measure(item, tree) {
  const lines = boxLines(item, tree);
  const widths = lines.map(
      (line, index) => textWidth(line, index === 0 ? FONTS.title : FONTS.detail));
  item.lines = lines;
  const room = item.isGroup ? 44 : 26;
  item.width = Math.ceil(Math.max(LEAF_MIN, ...widths.map((width) => width + room)));
  item.height = 14 + 16 * lines.length;
}

class Layout {
  constructor(tree) {
    this.tree = tree;
    this.levels = new Map(); // Group -> the edges to draw inside it.
    this.place(this.route(), tree.root);
  }

  /** Every edge cut at the borders that it crosses: group -> its pieces. */
  route() {
    const pieces = new Map();
    const put = (group, from, to, value) => {
      if (!pieces.has(group)) pieces.set(group, new Map());
      const level = pieces.get(group);
      // Between two closed boxes one line is enough for whatever goes from one to the other.
      const isOpen = [from, to].some((end) => end.item?.isGroup && end.item.expanded);
      const key = `${from.key} ${to.key} ${isOpen ? value : ""}`;
      if (level.has(key)) level.get(key).values.push(value);
      else level.set(key, {from, to, value, values: [value]});
    };
    for (const edge of this.tree.edges) {
      const from = this.tree.visible(edge.from);
      const to = this.tree.visible(edge.to);
      if (from === to) continue;
      const result = to === edge.to && to.expanded ? edge.result : undefined;
      this.cut(from, to, edge.value, result, put);
    }
    return pieces;
  }

  /** From the border of `from` outwards, across, inwards to `to`; a result goes on inside it. */
  cut(from, to, value, result, put) {
    const holders = new Set(from.ancestors());
    const shared = holders.has(to) ? to : to.ancestors().find((group) => holders.has(group));
    const stop = (item) => ({key: "i" + item.id, item});
    let source = stop(from);
    for (let inner = from; inner.parent !== shared; inner = inner.parent) {
      put(inner.parent, source, portOf(inner.parent, "out", value), value);
      source = stop(inner.parent);
    }
    if (shared === to) {
      if (result !== undefined) put(to, source, portOf(to, "out", result), value);
      return;
    }
    let target = stop(to);
    if (result !== undefined) {
      put(to, portOf(to, "in", value), portOf(to, "out", result), value);
    }
    for (let inner = to; inner.parent !== shared; inner = inner.parent) {
      put(inner.parent, portOf(inner.parent, "in", value), target, value);
      target = stop(inner.parent);
    }
    put(shared, source, target, value);
  }

  place(pieces, group) {
    for (const child of group.children) {
      if (child.isGroup && child.expanded) this.place(pieces, child);
      else measure(child, this.tree);
    }
    const edges = [...(pieces.get(group) || new Map()).values()];
    this.levels.set(group, new Level(group, edges, this.tree).edges);
  }
}

function portOf(group, port, value) { return {key: `${port} ${group.id} ${value}`, port, value}; }

/** One group: its children, and the ports of what comes and goes. */
class Level {
  constructor(group, edges, tree) {
    this.group = group;
    this.edges = edges;
    this.ports = new Map();
    this.graph = new dagre.graphlib.Graph({multigraph: true});
    this.graph.setGraph({rankdir: "TB", nodesep: 26, ranksep: 20, edgesep: 14});
    for (const child of group.children) {
      this.graph.setNode("i" + child.id, {width: child.width, height: child.height});
    }
    edges.forEach((edge, index) => this.addEdge(edge, index));
    this.anchorPorts();
    dagre.layout(this.graph);
    this.read(tree);
  }

  addEdge(edge, index) {
    for (const end of [edge.from, edge.to]) {
      if (end.port && !this.graph.hasNode(end.key)) {
        this.graph.setNode(end.key, {width: 10, height: 0});
        this.ports.set(end.key, end);
      }
    }
    this.graph.setEdge(edge.from.key, edge.to.key, {weight: 1}, String(index));
  }

  /** Heavy edges to two nodes that are not drawn keep the ports at the borders. */
  anchorPorts() {
    for (const [key, port] of this.ports) {
      const anchor = port.port === "in" ? "top" : "bottom";
      this.graph.setNode(anchor, {width: 0, height: 0});
      const ends = port.port === "in" ? [anchor, key] : [key, anchor];
      this.graph.setEdge(...ends, {weight: 60}, "anchor");
    }
  }

  read(tree) {
    const group = this.group;
    const drawn = this.graph.nodes().filter((key) => key !== "top" && key !== "bottom");
    const box = bounds(drawn.map((key) => this.graph.node(key)),
                       this.edges.flatMap((edge, index) => this.points(edge, index)));
    const hasIn = [...this.ports.values()].some((port) => port.port === "in");
    const hasOut = [...this.ports.values()].some((port) => port.port === "out");
    const top = HEADER + (hasIn ? 0 : PADDING);
    const bottom = hasOut ? 0 : PADDING;
    const header = textWidth(groupTitle(group, tree), FONTS.title) + 60;
    group.width = Math.max(box.right - box.left + 2 * PADDING, header);
    group.height = box.bottom - box.top + top + bottom;
    const dx = (group.width - (box.right - box.left)) / 2 - box.left;
    const dy = top - box.top;
    for (const child of group.children) {
      const at = this.graph.node("i" + child.id);
      child.x = at.x - at.width / 2 + dx;
      child.y = at.y - at.height / 2 + dy;
    }
    group.portsIn = new Map();
    group.portsOut = new Map();
    for (const [key, port] of this.ports) {
      const x = this.graph.node(key).x + dx;
      (port.port === "in" ? group.portsIn : group.portsOut).set(port.value, x);
    }
    this.edges.forEach((edge, index) => {
      edge.points = this.points(edge, index).map((point) => ({x: point.x + dx, y: point.y + dy}));
      this.fixEnds(edge);
    });
  }

  points(edge, index) {
    return this.graph.edge(edge.from.key, edge.to.key, String(index)).points || [];
  }

  /** Edges leave below the middle of a box and arrive above it; those of groups at their ports. */
  fixEnds(edge) {
    const {from, to, points, value} = edge;
    const first = points[0];
    const last = points[points.length - 1];
    if (from.item) {
      const port = from.item.expanded && from.item.portsOut && from.item.portsOut.get(value);
      first.x = from.item.x + (port || from.item.width / 2);
      first.y = from.item.y + from.item.height;
    } else {
      first.y = 0;
    }
    if (to.item) {
      const port = to.item.expanded && to.item.portsIn && to.item.portsIn.get(value);
      edge.arrives = !port;
      last.x = to.item.x + (port || to.item.width / 2);
      last.y = to.item.y;
    } else {
      last.y = this.group.height;
    }
  }
}

function bounds(boxes, points) {
  const box = {left: 0, right: LEAF_MIN, top: 0, bottom: 20};
  if (boxes.length === 0) return box;
  box.left = Math.min(...boxes.map((each) => each.x - each.width / 2), ...points.map((p) => p.x));
  box.right = Math.max(...boxes.map((each) => each.x + each.width / 2), ...points.map((p) => p.x));
  box.top = Math.min(...boxes.map((each) => each.y - each.height / 2));
  box.bottom = Math.max(...boxes.map((each) => each.y + each.height / 2));
  return box;
}

/** A curve through the points that leaves and arrives straight. */
function curve(points) {
  let path = `M${round(points[0].x)},${round(points[0].y)}`;
  for (let i = 1; i < points.length; ++i) {
    const [a, b] = [points[i - 1], points[i]];
    const middle = round((a.y + b.y) / 2);
    path += `C${round(a.x)},${middle} ${round(b.x)},${middle} ${round(b.x)},${round(b.y)}`;
  }
  return path;
}

function round(number) { return Math.round(number * 10) / 10; }
