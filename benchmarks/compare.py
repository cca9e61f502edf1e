"""torchship against stock LibTorch, ONNX Runtime and OpenVINO: `python benchmarks/compare.py`.

Each way of running a case has a process of its own, and all take turns on the same cores; what
counts is the ratio to stock within a round. benchmarks/README.md says what is measured and how.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from report import markdown, plot, print_tables
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from safetensors.numpy import load_file
from worker import PACKAGES, Setup, Worker, WorkerError

STOCK = "stock"
INPUTS = ".inputs.safetensors"
RUNNER = Path(__file__).parents[1] / "build/make/benchmarks/benchmark_runner"
TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}  # atol is of the largest output.
WARM_UP_CALLS = 10  # Stock's profiling executor is steady after three.
WARM_UP_SECONDS = 0.3
ROUNDS = 8  # For each set of processes.


def quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return {"median": float(middle), "q1": float(low), "q3": float(high)}


def require_outputs(worker: Worker, expected: dict[str, np.ndarray]) -> None:
    """Raises WorkerError when the worker's outputs are not those of the eager model."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs.safetensors"
        worker.ask(f"outputs {file}")
        found = load_file(file)
    if {k: v.shape for k, v in found.items()} != {k: v.shape for k, v in expected.items()}:
        raise WorkerError("disagrees with the eager model: outputs of other numbers or shapes")
    for name, array in expected.items():
        scale = float(np.abs(array).max())
        apart = float(np.abs(found[name] - array).max()) / max(scale, 1e-30)
        atol = TOLERANCE["atol"] * scale
        if not np.allclose(found[name], array, rtol=TOLERANCE["rtol"], atol=atol):
            raise WorkerError(
                f"disagrees with the eager model: {name} is off by {apart:.2g} of its largest value"
            )


def expected_outputs(case: str, setup: Setup) -> dict[str, np.ndarray]:
    tensors = load_file(setup.folder / f"{case}{INPUTS}")
    return {name: array for name, array in tensors.items() if name.startswith("output.")}


def refusal(way: str, case: str, setup: Setup) -> str | None:
    """Why a way is not to be timed: it does not run, or its outputs are wrong."""
    try:
        with Worker(way, case, setup) as worker:
            worker.ask("first")
            require_outputs(worker, expected_outputs(case, setup))
    except WorkerError as error:
        return str(error)
    return None


def warm_up(worker: Worker, most: float) -> float:
    """Calls until steady, for `most` seconds or fewer; returns the seconds of one call."""
    begun = time.monotonic()
    while True:
        seconds = worker.ask(f"call {WARM_UP_CALLS}")["seconds"]
        if time.monotonic() - begun > min(most, WARM_UP_SECONDS):
            return statistics.median(seconds)


def take_turns(workers: dict[str, Worker], setup: Setup, seconds: float) -> dict[str, list]:
    """Seconds per call of each way in each round. Every round begins with another way."""
    each = {way: warm_up(worker, seconds) for way, worker in workers.items()}
    rounds: dict[str, list[float]] = {way: [] for way in workers}
    turn = seconds / ROUNDS / len(workers)
    order = list(workers)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds or len(rounds[order[0]]) < 2:
        for way in order:
            calls = max(2, int(turn / each[way]))
            rounds[way].append(statistics.median(workers[way].ask(f"call {calls}")["seconds"]))
            if setup.threads > 1:
                time.sleep(0.02)  # Threads that wait for work spin for a while.
        order.append(order.pop(0))
    return rounds


def steady(ways: list[str], case: str, setup: Setup, options: argparse.Namespace) -> dict:
    """The rounds of several sets of processes: where a process has its memory is chance, and worth
    some percent for as long as it lives."""
    rounds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.processes):
        with contextlib.ExitStack() as stack:
            workers = {way: stack.enter_context(Worker(way, case, setup)) for way in ways}
            for worker in workers.values():
                worker.ask("first")
            found = take_turns(workers, setup, options.seconds / options.processes)
        for way in ways:
            rounds[way] += found[way]
    return rounds


def starts(ways: list[str], case: str, setup: Setup, count: int) -> dict[str, list[dict]]:
    """Load, first call and memory of fresh processes, one at a time and in turn. All files are in
    the page cache by now."""
    found: dict[str, list[dict]] = {way: [] for way in ways}
    for turn in range(count):
        shift = turn % len(ways)
        for way in ways[shift:] + ways[:shift]:
            with Worker(way, case, setup) as worker:
                first = worker.ask("first")
                worker.ask("call 3")
                found[way].append(first | worker.ask("memory"))
    return found


def measure(case: str, ways: list[str], setup: Setup, options: argparse.Namespace) -> dict:
    """One entry of `results`: a case with its ways, and those that were refused."""
    tried = {way: refusal(way, case, setup) for way in ways}
    ways = [way for way, reason in tried.items() if reason is None]
    refused = {way: reason for way, reason in tried.items() if reason is not None}
    entry: dict[str, Any] = {"case": case, "threads": setup.threads, "ways": {}, "refused": refused}
    if not ways:
        return entry
    rounds = steady(ways, case, setup, options)
    fresh = starts(ways, case, setup, options.processes)
    for way, times in rounds.items():
        found = entry["ways"][way] = {"rounds": len(times), "steady_seconds": quartiles(times)}
        if STOCK in rounds:
            pairs = zip(times, rounds[STOCK], strict=True)
            found["ratio"] = quartiles([own / stock for own, stock in pairs])
        for key in fresh[way][0]:
            found[key] = quartiles([answer[key] for answer in fresh[way]])
    return entry


def measured(case: str, ways: list[str], setup: Setup, options: argparse.Namespace) -> dict:
    """The same, where a way may also end while it is measured: other cases keep their figures."""
    try:
        return measure(case, ways, setup, options)
    except WorkerError as error:
        refused = {"the case": str(error)}
        return {"case": case, "threads": setup.threads, "ways": {}, "refused": refused}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--suite", type=Path, default=Path("build/suite"), metavar="FOLDER")
    made.add_argument("--runner", type=Path, default=RUNNER, help="benchmark_runner")
    made.add_argument("--cases", nargs="+", metavar="NAME", help="default: all of the folder")
    made.add_argument("--engines", nargs="*", default=["interpreter"], help="of torchship")
    made.add_argument("--peers", nargs="*", default=list(PACKAGES), choices=PACKAGES)
    made.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N")
    made.add_argument("--seconds", type=float, default=10, help="of steady calls, for each case")
    made.add_argument("--processes", type=int, default=5, help="of each way, one after another")
    made.add_argument("--json", type=Path, metavar="FILE")
    made.add_argument("--plot", type=Path, metavar="FILE", help="a picture: .svg or .png")
    made.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return made


def problem_of(options: argparse.Namespace, there: list[str]) -> str | None:
    """What is wrong with the options, in a line."""
    if missing := [name for name in options.cases or () if name not in there]:
        return f"no case '{missing[0]}' in {options.suite}; write it with benchmarks/suite.py"
    if not there:
        return f"no cases in {options.suite}; write them with benchmarks/suite.py"
    if not options.runner.exists():
        return (
            f"{options.runner} is missing: build the target benchmark_runner with "
            "-DTORCHSHIP_BUILD_BENCHMARKS=ON"
        )
    most = len(os.sched_getaffinity(0))
    if not all(1 <= threads <= most for threads in options.threads):
        return f"--threads goes from 1 to {most} here"
    if not options.seconds > 0 or options.processes < 1:
        return "--seconds and --processes must be positive"
    return None


def parse() -> argparse.Namespace:
    made = parser()
    options = made.parse_args()
    there = sorted(path.name.removesuffix(INPUTS) for path in options.suite.glob(f"*{INPUTS}"))
    there = [name for name in there if not name.startswith("partial.")]
    if problem := problem_of(options, there):
        made.error(problem)
    options.cases = options.cases or there
    return options


def run(options: argparse.Namespace, console: Console) -> list[dict]:
    ways = [STOCK, *(f"torchship:{engine}" for engine in options.engines), *options.peers]
    cores = sorted(os.sched_getaffinity(0))
    results = []
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, refresh_per_second=1) as progress:
        task = progress.add_task("")
        for threads in options.threads:
            # The last cores: the first ones have the system's own work.
            setup = Setup(options.suite, options.runner, threads, cores[-threads:])
            for case in options.cases:
                progress.update(task, description=escape(f"{case}, threads {threads}"))
                results.append(measured(case, ways, setup, options))
    return results


def write_json(document: dict, path: Path) -> str | None:
    """Returns what is wrong."""
    try:
        path.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def main() -> int:
    options = parse()
    results = run(options, Console(stderr=True))
    document = {"machine": machine(), "results": results}
    if options.markdown:
        print(markdown(document))
    else:
        print_tables(document, Console())
    # Printed first: what took minutes must not be lost to a file that cannot be written.
    if options.json and (problem := write_json(document, options.json)):
        print(problem, file=sys.stderr)
        return 1
    if options.plot and (problem := plot(document, options.plot)):
        print(problem, file=sys.stderr)
        return 1
    return 0 if any(entry["ways"] for entry in results) else 1


if __name__ == "__main__":
    sys.exit(main())
