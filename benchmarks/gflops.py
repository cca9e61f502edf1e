"""How near `planned` comes to what a core can do: `python benchmarks/gflops.py FOUND.json`.

Takes the times that compare.py measured with one thread, counts the operations of each plan, and
measures the core's peak with benchmark_peak.
"""

import argparse
import json
import subprocess
from pathlib import Path

import torchship
from report import time_text
from rich.console import Console
from rich.table import Table


def operations(archive: Path) -> float:
    """Floating-point multiplications and additions of one call, in 1e9."""
    model = torchship.load(archive, engine="planned")
    return sum(float(node.attributes.get("GFLOP", 0)) for node in model.graph().body.nodes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("found", type=Path, help="what compare.py --json wrote")
    parser.add_argument("--suite", type=Path, default=Path("build/suite"))
    parser.add_argument("--peak", type=Path, default=Path("build/make/benchmarks/benchmark_peak"))
    options = parser.parse_args()
    peak = float(subprocess.run([options.peak], check=True, capture_output=True, text=True).stdout)
    title = f"peak {peak:.0f} GFLOP/s"
    table = Table("model", "GFLOP", "call", "GFLOP/s", "of the peak", title=title)
    for entry in json.loads(options.found.read_text())["results"]:
        planned = entry["ways"].get("torchship:planned")
        if entry["threads"] != 1 or planned is None:
            continue
        seconds = planned["steady_seconds"]["median"]
        count = operations(options.suite / f"{entry['case']}.pt")
        rate = count / seconds
        table.add_row(
            *(entry["case"], f"{count:.4g}", time_text(seconds)),
            *(f"{rate:.1f}", f"{rate / peak:.0%}"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
