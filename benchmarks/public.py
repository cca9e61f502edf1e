"""Engines of torchship on public architectures: `python benchmarks/public.py [--engines NAME ...]`.

Traces every network of `architectures` into a folder and runs it with each engine, in turn and in
one process, on pinned cores. Outputs are compared with the eager module's. What an engine refuses
is listed with its reason, and nothing of it is timed. `--zoo` adds the networks of
tests/python/exported, `--corpus FOLDER` archives of other projects with recorded arguments.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torchship
from agreement import apart
from machine import machine
from report import time_text
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from subjects import Recorded, Subject, corpus, networks, zoo

ENGINES = ("interpreter", "planned", "auto")
TOLERANCE = 1e-3  # Of the largest value of an output.
ROUNDS = 6
PAUSE = 0.01  # Seconds: threads of another engine that wait for work spin for a while.


class Refused(Exception):
    """An engine does not run a model, or gives other results; the message is one line."""


def one_line(error: BaseException) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return text.splitlines()[0]


class Way:
    """A subject loaded with one engine: a model for each sequence of calls."""

    def __init__(self, subject: Subject, engine: str, threads: int) -> None:
        self.sequences = subject.sequences
        try:
            self.models = [
                torchship.load(subject.path, engine=engine, threads=threads) for _ in self.sequences
            ]
        except torchship.Error as error:
            raise Refused(one_line(error).removeprefix(f"{subject.path}: ")) from error
        self.engine = self.models[0].engine

    def results(self) -> Iterator[tuple[Recorded, Any]]:
        """Makes all calls, in order."""
        for model, sequence in zip(self.models, self.sequences, strict=True):
            results: list[Any] = []
            for call in sequence:
                results.append(call.make(model, results))
                yield call, results[-1]

    def error(self) -> float:
        """The largest one of all outputs, relative to the largest value of its output."""
        try:
            return max(
                (apart(found, call.expected()) for call, found in self.results()), default=0.0
            )
        except (torchship.Error, RuntimeError) as error:
            raise Refused(f"a call fails: {one_line(error)}") from error

    def seconds(self, count: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            for _ in self.results():
                pass
        return (time.perf_counter() - begun) / count


def take_turns(ways: dict[str, Way], seconds: float) -> dict[str, list[float]]:
    """Seconds of a call of each way in each round. Every round begins with another way."""
    counts = {}
    for name, way in ways.items():
        way.seconds(2)
        counts[name] = max(1, int(seconds / ROUNDS / way.seconds(3)))
    times: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for _ in range(ROUNDS):
        for name in order:
            time.sleep(PAUSE)
            times[name].append(ways[name].seconds(counts[name]))
        order.append(order.pop(0))
    return times


def opened(subject: Subject, engine: str, options: argparse.Namespace) -> tuple[Way, float]:
    """Raises Refused where the engine does not run the subject or is wrong."""
    way = Way(subject, engine, options.threads)
    error = way.error()
    if not error <= options.tolerance:
        raise Refused(f"is wrong: off by {error:.2g} of the largest value")
    return way, error


def measure(subject: Subject, options: argparse.Namespace) -> dict[str, Any]:
    """One entry of `results`: a model with its engines, and those that were refused."""
    entry: dict[str, Any] = {"model": subject.name, "engines": {}, "refused": {}}
    ways: dict[str, Way] = {}
    for engine in options.engines:
        try:
            ways[engine], error = opened(subject, engine, options)
        except Refused as refused:
            entry["refused"][engine] = str(refused)
            continue
        entry["engines"][engine] = {"error": error, "runs": str(ways[engine].engine)}
    if not ways:
        return entry
    times = take_turns(ways, options.seconds)
    base = times.get(options.engines[0])
    for engine, found in times.items():
        entry["engines"][engine]["seconds"] = statistics.median(found)
        if base:
            ratios = [own / other for own, other in zip(found, base, strict=True)]
            entry["engines"][engine]["ratio"] = statistics.median(ratios)
    return entry


def measured(make: Callable[[], Subject], name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The same, where there may be no archive of the model: others keep their figures."""
    try:
        with torch.inference_mode():
            return measure(make(), options)
    except (torchship.Error, RuntimeError, ValueError, TypeError) as error:
        return {"model": name, "engines": {}, "refused": {"trace": one_line(error)}}


def cells(entry: dict[str, Any], engines: list[str]) -> list[str]:
    found = entry["engines"]
    base = found.get(engines[0])
    ratios = [
        f"{found[e]['ratio']:.3f}"
        if "ratio" in found.get(e, {})
        else ("refused" if e in entry["refused"] else "")
        for e in engines[1:]
    ]
    error = max((way["error"] for way in found.values()), default=None)
    shown = "" if error is None else f"{error:.1e}"
    return [entry["model"], time_text(base["seconds"]) if base else "refused", *ratios, shown]


def geometric_means(results: list[dict[str, Any]], engines: list[str]) -> list[str]:
    means = []
    for engine in engines[1:]:
        ratios = [e["engines"][engine].get("ratio") for e in results if engine in e["engines"]]
        ratios = [ratio for ratio in ratios if ratio]
        means.append(f"{statistics.geometric_mean(ratios):.3f}" if ratios else "")
    return means


def print_table(results: list[dict[str, Any]], engines: list[str], console: Console) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("model", engines[0], *(f"{name} ratio" for name in engines[1:]), "error"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for entry in results:
        table.add_row(*map(escape, cells(entry, engines)))
    table.add_section()
    table.add_row("geometric mean", "", *geometric_means(results, engines), "", style="bold")
    console.print(table)
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in results:
        for engine, reason in entry["refused"].items():
            reasons.setdefault((engine, reason), []).append(entry["model"])
    for (engine, reason), names in reasons.items():
        console.print(escape(f"{engine}: {', '.join(names)}: {reason}"), soft_wrap=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/public"), help="of the archives")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), metavar="NAME")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--seconds", type=float, default=1.0, help="of calls, for each engine")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="of the largest value")
    parser.add_argument("--zoo", action="store_true", help="the networks of the tests too")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="archives of others too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if not 1 <= options.threads <= len(os.sched_getaffinity(0)):
        parser.error(f"--threads goes from 1 to {len(os.sched_getaffinity(0))} here")
    if options.corpus and not (options.corpus / "manifest.json").exists():
        parser.error(f"{options.corpus} has no manifest.json")
    return options


def chosen(options: argparse.Namespace) -> dict[str, Callable[[], Subject]]:
    """What makes each subject, by name. Raises ValueError for a name that is none."""
    makers = networks(options.folder)
    if options.zoo:
        makers |= zoo(options.folder)
    if options.corpus:
        makers |= corpus(options.corpus)
    if unknown := [name for name in options.models or () if name not in makers]:
        raise ValueError(f"there is no model {unknown[0]!r}; there are: {', '.join(makers)}")
    return {name: makers[name] for name in options.models or makers}


def run(options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    results = []
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, refresh_per_second=1) as progress:
        task = progress.add_task("")
        for name, make in chosen(options).items():
            progress.update(task, description=escape(name))
            results.append(measured(make, name, options))
    return results


def main() -> int:
    options = parse()
    # The last cores: the first ones have the system's own work. Threads inherit them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads :])
    torch.set_num_threads(options.threads)
    try:
        results = run(options, Console(stderr=True))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    # Whole lines where they go to a file.
    print_table(results, options.engines, Console(width=None if sys.stdout.isatty() else 160))
    if options.json:
        document = {"machine": machine(), "threads": options.threads, "results": results}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    wrong = [why for entry in results for why in entry["refused"].values() if "is wrong" in why]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
