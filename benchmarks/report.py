"""Tables and a picture of what compare.py measured. `python benchmarks/report.py FOUND.json` prints
the tables of the README."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from worker import PACKAGES

AGAINST_PEERS = "best torchship / faster peer"
HEADINGS = ["way", "call", "ratio", "quartiles", "first", "load", "MB"]
COLOURS = {"onnxruntime": "#8c8c8c", "openvino": "#c4c4c4"}


def time_text(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.2f} us"
    return f"{seconds * 1e3:.2f} ms"


def row(way: str, found: dict[str, Any]) -> list[str]:
    ratio = found.get("ratio")
    return [
        way,
        time_text(median(found)),
        f"{ratio['median']:.3f}" if ratio else "",
        f"{ratio['q1']:.2f}-{ratio['q3']:.2f}" if ratio else "",
        time_text(found["first_call_seconds"]["median"]),
        time_text(found["load_seconds"]["median"]),
        f"{found['private_bytes']['median'] / 1e6:.0f}",
    ]


def entries_of(document: dict[str, Any], threads: int) -> list[dict[str, Any]]:
    return [entry for entry in document["results"] if entry["threads"] == threads]


def threads_of(document: dict[str, Any]) -> list[int]:
    return list(dict.fromkeys(entry["threads"] for entry in document["results"]))


def title(document: dict[str, Any], threads: int) -> str:
    machine = document["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    count = "1 thread" if threads == 1 else f"{threads} threads"
    return f"{machine['processor']}, {count}, {machine['date']}: {versions}"


def refusals(document: dict[str, Any]) -> list[str]:
    """What was not timed, and why; the same words of several cases once."""
    cases: dict[tuple[str, str], list[str]] = {}
    for entry in document["results"]:
        for way, reason in entry["refused"].items():
            cases.setdefault((way, reason), []).append(entry["case"])
    return [
        f"{way} not timed on {', '.join(dict.fromkeys(names))}: {reason}"
        for (way, reason), names in cases.items()
    ]


def print_tables(document: dict[str, Any], console: Console) -> None:
    for threads in threads_of(document):
        console.print(escape(title(document, threads)))
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=True)
        for entry in entries_of(document, threads):
            table.add_row(escape(entry["case"]), style="bold")
            for way, found in entry["ways"].items():
                table.add_row(*map(escape, row(way, found)))
            table.add_section()
        console.print(table)
    for line in refusals(document):
        console.print(escape(line), soft_wrap=True)


def markdown(document: dict[str, Any]) -> str:
    lines: list[str] = []
    for threads in threads_of(document):
        lines += [title(document, threads), "", f"| case | {' | '.join(HEADINGS)} |"]
        lines.append("|---|---|" + "---:|" * (len(HEADINGS) - 1))
        for entry in entries_of(document, threads):
            for place, (way, found) in enumerate(entry["ways"].items()):
                cells = ["" if place else entry["case"], *row(way, found)]
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines + [f"- {line}" for line in refusals(document)])


def summary(document: dict[str, Any]) -> str:
    """One line for each case: the time of a call, in brackets that of stock = 1; at its end
    torchship's best beside that of the peers."""
    lines: list[str] = []
    known = list(dict.fromkeys(way for entry in document["results"] for way in entry["ways"]))
    for threads in threads_of(document):
        entries = entries_of(document, threads)
        ways = [way for way in known if any(way in entry["ways"] for entry in entries)]
        headings = ["case", *ways, AGAINST_PEERS]
        lines += [title(document, threads), "", f"| {' | '.join(headings)} |"]
        lines.append("|---|" + "---:|" * (len(headings) - 1))
        for entry in entries:
            cells = [summary_cell(entry["ways"].get(way)) for way in ways]
            cells = [entry["case"], *cells, against_peers(entry["ways"])]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def summary_cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    seconds, ratio = median(found), found["ratio"]["median"]
    time = time_text(seconds)
    return time if ratio == 1 else f"{time} ({ratio:.2f})"


def against_peers(ways: dict[str, Any]) -> str:
    """The time of torchship's fastest engine, that of the faster peer = 1."""
    own = [median(found) for way, found in ways.items() if way.startswith("torchship:")]
    peers = [median(ways[way]) for way in PACKAGES if way in ways]
    return f"{min(own) / min(peers):.2f}" if own and peers else ""


def median(found: dict[str, Any]) -> float:
    return found["steady_seconds"]["median"]


def plot(document: dict[str, Any], file: Path) -> str | None:
    """Writes bars of the ratio to stock, a panel for each thread count. Returns what is wrong."""
    try:
        import matplotlib
    except ImportError:
        return "no picture without matplotlib: pip install matplotlib"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = threads_of(document)
    bars = max(len(document["results"]) // len(counts), 1)
    figure, panels = pyplot.subplots(
        1, len(counts), figsize=(8 * len(counts), 1.5 + 0.9 * bars), squeeze=False
    )
    for panel, threads in zip(panels[0], counts, strict=True):
        _draw(panel, entries_of(document, threads))
        panel.set_title(f"{document['machine']['processor']}, threads: {threads}", fontsize=9)
    figure.tight_layout()
    try:
        figure.savefig(file)
    except (OSError, ValueError) as error:
        return f"no picture: {error}"
    finally:
        pyplot.close(figure)
    return None


def _draw(panel: Any, entries: list[dict[str, Any]]) -> None:
    """Horizontal bars, the first case on top; the thin lines are the quartiles."""
    ways = [way for way in dict.fromkeys(w for e in entries for w in e["ways"]) if way != "stock"]
    height = 0.8 / max(len(ways), 1)
    for index, way in enumerate(ways):
        found = [(i, e["ways"].get(way, {}).get("ratio")) for i, e in enumerate(entries)]
        known = [(i, ratio) for i, ratio in found if ratio]
        middle = [ratio["median"] for _, ratio in known]
        spread = [
            [max(ratio["median"] - ratio["q1"], 0) for _, ratio in known],
            [max(ratio["q3"] - ratio["median"], 0) for _, ratio in known],
        ]
        places = [i + (index - (len(ways) - 1) / 2) * height for i, _ in known]
        drawn = panel.barh(
            places, middle, height * 0.9, xerr=spread, label=way, color=COLOURS.get(way),
            error_kw={"elinewidth": 0.8},
        )
        panel.bar_label(drawn, [f"{value:.2f}" for value in middle], padding=4, fontsize=7)
    panel.axvline(1, color="black", linewidth=0.8)
    panel.set_yticks(range(len(entries)), [entry["case"] for entry in entries])
    panel.invert_yaxis()
    panel.set_xlabel("time of a call, stock LibTorch = 1 (shorter is faster)")
    panel.margins(x=0.12)
    if ways:
        panel.legend(fontsize=8)


if __name__ == "__main__":
    print(summary(json.loads(Path(sys.argv[1]).read_text())), end="")
