"""What a process's memory does over many calls of one model: `python benchmarks/soak.py`."""

import argparse
import os
import sys
from pathlib import Path

from compare import RUNNER
from rich.console import Console
from rich.table import Table
from worker import Setup, Worker, WorkerError

CASES = {"seed_mlp_1": 1_000_000, "resnet18": 2_000}
PARTS = 8


def measure(case: str, calls: int, setup: Setup) -> list[int]:
    """Resident bytes after each of the parts."""
    with Worker("torchship:interpreter", case, setup) as worker:
        worker.ask("first")
        sizes = []
        for _ in range(PARTS):
            worker.ask(f"repeat {calls // PARTS}")
            sizes.append(worker.ask("memory")["resident_bytes"])
        return sizes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=Path("build/suite"), metavar="FOLDER")
    parser.add_argument("--runner", type=Path, default=RUNNER)
    parser.add_argument("--part", type=float, default=1, help="of the calls, for a quick look")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[-1:]
    setup = Setup(options.suite, options.runner, 1, cores, timeout=3600)
    shares = [f"{100 * part // PARTS} %" for part in range(1, PARTS + 1)]
    table = Table("case", "calls", *shares, "second half", title="resident MB after a share")
    for case, calls in CASES.items():
        calls = int(calls * options.part)
        try:
            sizes = measure(case, calls, setup)
        except WorkerError as error:
            print(f"{case}: {error}", file=sys.stderr)
            return 1
        grown = sizes[-1] - sizes[PARTS // 2 - 1]
        shown = [f"{size / 1e6:.1f}" for size in sizes]
        table.add_row(case, str(calls), *shown, f"{grown / 1e3:+.0f} kB")
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
