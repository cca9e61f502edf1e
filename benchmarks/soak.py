"""What a process's memory does over many calls of one model: `python benchmarks/soak.py`."""

import argparse
import itertools
import os
import sys
from pathlib import Path

from compare import RUNNER
from rich.console import Console
from rich.table import Table
from worker import Setup, Worker, WorkerError

ENGINES = ("planned", "interpreter")  # What `auto` takes first.
CASES = {"seed_mlp_1": 1_000_000, "resnet18": 2_000}
PARTS = 8


def measure(engine: str, case: str, calls: int, setup: Setup) -> list[int]:
    """Resident bytes after each of the parts."""
    with Worker(f"torchship:{engine}", case, setup) as worker:
        worker.ask("first")
        sizes = []
        for _ in range(PARTS):
            worker.ask(f"repeat {calls // PARTS}")
            sizes.append(worker.ask("memory")["resident_bytes"])
        return sizes


def row(case: str, engine: str, calls: int, sizes: list[int]) -> list[str]:
    grown = sizes[-1] - sizes[PARTS // 2 - 1]
    shown = [f"{size / 1e6:.1f}" for size in sizes]
    return [case, engine, str(calls), *shown, f"{grown / 1e3:+.0f} kB"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=Path("build/suite"), metavar="FOLDER")
    parser.add_argument("--runner", type=Path, default=RUNNER)
    parser.add_argument("--part", type=float, default=1, help="of the calls, for a quick look")
    parser.add_argument("--engine", nargs="+", default=ENGINES, metavar="NAME")
    return parser.parse_args()


def main() -> int:
    options = parse()
    cores = sorted(os.sched_getaffinity(0))[-1:]
    setup = Setup(options.suite, options.runner, 1, cores, timeout=3600)
    shares = [f"{100 * part // PARTS} %" for part in range(1, PARTS + 1)]
    headings = ["case", "engine", "calls", *shares, "second half"]
    table = Table(*headings, title="resident MB after a share")
    for case, engine in itertools.product(CASES, options.engine):
        calls = int(CASES[case] * options.part)
        try:
            sizes = measure(engine, case, calls, setup)
        except WorkerError as error:
            print(f"{case}, {engine}: {error}", file=sys.stderr)
            return 1
        table.add_row(*row(case, engine, calls, sizes))
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
