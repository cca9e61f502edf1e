// Words, numbers and colours.
"use strict";

const FONTS = {
  title: "600 12.5px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif",
  detail: "11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
};
const MOST_TITLE = 34;
const MOST_TEXT = 2000;

/** What operators do, for their colour; the first list with the start of their name. */
const FAMILIES = [
  ["weights", [
    "conv", "_conv", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "addmv", "mv", "dot",
    "einsum", "lstm", "gru", "rnn_", "embedding", "scaled_dot_product", "_native_multi_head",
    "_transformer", "quantized_", "mkldnn", "fbgemm", "cudnn",
  ]],
  ["activation", [
    "relu", "gelu", "silu", "mish", "elu", "selu", "celu", "leaky", "prelu", "rrelu", "hard",
    "sigmoid", "tanh", "softmax", "_softmax", "log_softmax", "softplus", "softsign", "glu",
    "threshold", "logsigmoid",
  ]],
  ["norm", [
    "batch_norm", "layer_norm", "group_norm", "instance_norm", "local_response_norm", "rms_norm",
    "norm", "linalg_norm", "native_", "dropout", "alpha_dropout", "feature_dropout", "renorm",
  ]],
  ["reduce", [
    "max", "min", "max_pool", "avg_", "adaptive_", "fractional_", "lp_pool", "mean", "sum", "arg",
    "std", "var", "prod", "cum", "any", "all", "topk", "sort", "logsumexp", "amax", "amin", "nll_",
    "cross_entropy",
  ]],
  ["reshape", [
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "numpy_T", "contiguous",
    "cat", "stack", "split", "chunk", "slice", "select", "narrow", "squeeze", "unsqueeze", "expand",
    "repeat", "tile", "index", "gather", "scatter", "masked", "size", "dim", "numel", "len", "roll",
    "flip", "pad", "constant_pad", "unbind", "movedim", "as_strided", "clone", "to", "type_as",
    "detach", "alias", "upsample", "unfold", "fold", "meshgrid",
  ]],
];
const WHOLE_NAMES = new Set(["t", "to", "dim", "all", "any", "len", "max", "min", "mm", "mv", "dot",
                             "cat", "std", "var"]); // Not "tan", "topk", "dimension".

const KIND_WORDS = {
  weights: "products with weights", norm: "normalisation", activation: "activation",
  reduce: "pooling, reduction", reshape: "shape, copies", operator: "other operators",
  container: "lists, numbers", control: "branch, loop", call: "call", kernel: "one kernel",
  module: "module",
};

function family(node) {
  if (node.kind !== "operator") return node.kind;
  const name = node.operator.replace(/^\w+::/, "").replace(/_$/, "");
  const fits = (start) => name === start || (!WHOLE_NAMES.has(start) && name.startsWith(start));
  const found = FAMILIES.find(([, starts]) => starts.some(fits));
  return found ? found[0] : "operator";
}

/** Text of the file, fit to be shown: what changes the writing direction is spelt out. */
function shown(text, most = MOST_TEXT) {
  const clean = String(text).replace(
      /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
      (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  return clean.length > most ? clean.slice(0, most - 1) + "\u2026" : clean;
}

/** The end of a long name says more than its start. */
function shortName(text) {
  const name = shown(text);
  return name.length > MOST_TITLE ? "\u2026" + name.slice(1 - MOST_TITLE) : name;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function formatTime(microseconds) {
  if (microseconds >= 1e6) return (microseconds / 1e6).toPrecision(3) + " s";
  if (microseconds >= 1e3) return (microseconds / 1e3).toPrecision(3) + " ms";
  const digits = microseconds >= 100 ? microseconds.toFixed(0) : microseconds.toPrecision(2);
  return digits + " \u00b5s";
}

function formatShare(part, whole) {
  return whole > 0 ? (100 * part / whole).toFixed(part / whole < 0.0995 ? 1 : 0) + " %" : "";
}

function formatBytes(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit + 1 < units.length; ++unit) bytes /= 1000;
  return (unit === 0 ? String(bytes) : bytes.toFixed(1)) + " " + units[unit];
}

/** "float32[1, 3]" where it is known, else the type. */
function formatType(value) {
  if (value.dtype && value.shape) return `${value.dtype}[${value.shape.join(", ")}]`;
  return value.type;
}

function formatShape(value) {
  return value.shape ? `${value.dtype || ""}[${value.shape.join(", ")}]` : "";
}

/** What stands in the box of an item that is not open. */
function boxLines(item, tree) {
  const values = tree.graph.values;
  const lines = [item.kind === "kernel" ? "one kernel" : shortName(item.title)];
  if (item.kind === "input" || item.kind === "output") {
    lines.push(shown(formatType(values[item.value]), MOST_TITLE));
  } else if (item.isGroup) {
    lines.push(plural(item.operators, "operator"));
  } else {
    if (item.name) lines.push(shortName(item.name));
    const result = item.node.outputs.map((value) => formatShape(values[value])).find((t) => t);
    if (result) lines.push(shown(result, MOST_TITLE));
  }
  if (item.microseconds !== null) {
    lines.push(`${formatTime(item.microseconds)}  ${formatShare(item.microseconds, tree.total)}`);
  }
  return lines;
}

function groupTitle(item, tree) {
  const time = item.microseconds === null ? ""
             : `  ${formatTime(item.microseconds)} ${formatShare(item.microseconds, tree.total)}`;
  const name = item.kind === "kernel" ? `one kernel of ${plural(item.operators, "operator")}`
                                      : shortName(item.title);
  return name + time;
}

/** Where a time stands between none and the longest one, as a colour. */
function heat(part) {
  const share = Math.sqrt(Math.max(0, Math.min(1, part)));
  return `color-mix(in oklab, var(--hot) ${Math.round(100 * share)}%, var(--cold))`;
}
