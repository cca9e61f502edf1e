"""How many calls a second one, two and eight threads get out of one model: `python
benchmarks/callers.py`. The numbers of threads take turns; an operator has one thread."""

import argparse
import contextlib
import os
import statistics
import sys
from pathlib import Path

from compare import RUNNER
from machine import machine
from rich.console import Console
from rich.table import Table
from worker import Setup, Worker, WorkerError

CALLERS = (1, 2, 8)
WAYS = ("stock", "torchship:interpreter", "torchship:planned")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=Path("build/suite"), metavar="FOLDER")
    parser.add_argument("--runner", type=Path, default=RUNNER)
    parser.add_argument("--cases", nargs="+", default=["seed_mlp_1", "resnet18"], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each number of callers")
    return parser.parse_args()


def measure(case: str, setup: Setup, options: argparse.Namespace) -> dict[str, dict[int, list]]:
    """Calls per second of each way and number of callers, in each round."""
    found = {way: {callers: [] for callers in CALLERS} for way in WAYS}
    with contextlib.ExitStack() as stack:
        workers = {way: stack.enter_context(Worker(way, case, setup)) for way in WAYS}
        for worker in workers.values():
            worker.ask("first")
            worker.ask(f"callers {max(CALLERS)} {options.seconds}")
        for _ in range(options.rounds):
            for way, worker in workers.items():
                for callers in CALLERS:
                    answer = worker.ask(f"callers {callers} {options.seconds}")
                    found[way][callers].append(answer["calls_per_second"])
    return found


def ratio(counts: list[float], others: list[float]) -> str:
    pairs = zip(counts, others, strict=True)
    return f"{statistics.median(one / other for one, other in pairs):.2f}"


def main() -> int:
    options = parse()
    setup = Setup(options.suite, options.runner, 1, sorted(os.sched_getaffinity(0)))
    heading = f"{machine()['processor']}, {len(setup.cores)} cores: calls a second"
    table = Table("case", "way", *map(str, CALLERS), "2 / 1", "8 / 2", title=heading)
    for case in options.cases:
        try:
            found = measure(case, setup, options)
        except WorkerError as error:
            print(f"{case}: {error}", file=sys.stderr)
            return 1
        for way, counts in found.items():
            medians = [f"{statistics.median(counts[callers]):.1f}" for callers in CALLERS]
            ratios = ratio(counts[2], counts[1]), ratio(counts[8], counts[2])
            table.add_row(case, way, *medians, *ratios)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
