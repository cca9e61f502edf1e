"""Measures exported programs beside TorchScript archives: python benchmarks/programs.py

Each model of the suite is traced in both ways, and a transformer of 90 MB besides. Archives are
loaded, and then called, in turn in one process with one thread; `first load` is that of a process
which did nothing else, less what the same process needs to load an archive with one operator.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
import torchship
from loading import IDS, encoder
from machine import machine
from suite import CASES, quiet
from torch import Tensor, nn

VIAS = ("trace", "export")
MEASURE = """
import sys, time
import torch, torchship
torch.set_num_threads(1)
times = []
for path in sys.argv[1:]:
    start = time.perf_counter()
    torchship.load(path)
    times.append(1e3 * (time.perf_counter() - start))
print(times[-1])
"""


def milliseconds(call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return 1e3 * (time.perf_counter() - start) / count


def in_turn(calls: dict[str, object], rounds: int, seconds: float) -> dict[str, float]:
    """The median time of each, in milliseconds."""
    counts = {}
    for name, call in calls.items():
        call()
        counts[name] = max(1, int(seconds * 1e3 / rounds / max(milliseconds(call, 1), 1e-3)))
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call, counts[name]))
    return {name: statistics.median(each) for name, each in times.items()}


def first_load(path: Path, warm: Path, rounds: int) -> float:
    """In new processes, after an archive of one operator."""
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, warm, path]
    times = []
    for _ in range(rounds):
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(float(run.stdout))
    return statistics.median(times)


def measure(
    name: str, module: nn.Module, inputs: tuple[Tensor, ...], folder: Path, warm: Path, rounds: int
) -> dict[str, object]:
    paths = {via: folder / f"{name}.{'pt' if via == 'trace' else 'pt2'}" for via in VIAS}
    for via, path in paths.items():
        with quiet():
            torchship.trace(module, inputs, via=via, dynamic={}).save(path)
    models = {via: torchship.load(path) for via, path in paths.items()}
    outputs = [models[via](*inputs) for via in VIAS]
    torch.testing.assert_close(*outputs, rtol=1e-3, atol=1e-4)
    steady = in_turn({via: lambda m=m: m(*inputs) for via, m in models.items()}, rounds, 2.0)
    load = in_turn({via: lambda p=p: torchship.load(p) for via, p in paths.items()}, rounds, 1.0)
    return {
        "model": name,
        "megabytes": paths["export"].stat().st_size / 1e6,
        "steady_ms": steady,
        "load_ms": load,
        "first_load_ms": {via: first_load(path, warm, 5) for via, path in paths.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = []
    print(f"{'model':16}{'MB':>7}  {'call, ms':>20}{'ratio':>7}  {'load, ms':>16}  first load, ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm = folder / "warm.pt"
        torchship.trace(nn.ReLU(), torch.ones(1)).save(warm)
        cases = [(case.name, case.module(), case.inputs()) for case in CASES]
        for case in [*cases, ("encoder_90", encoder(), (IDS,))]:
            made = measure(*case, folder, warm, arguments.rounds)
            found.append(made)
            call, load, first = made["steady_ms"], made["load_ms"], made["first_load_ms"]
            print(
                f"{made['model']:16}{made['megabytes']:7.1f}  {call['trace']:9.4f} "
                f"{call['export']:9.4f}  {call['export'] / call['trace']:6.3f}  "
                f"{load['trace']:7.1f} {load['export']:7.1f}  {first['trace']:8.1f} "
                f"{first['export']:7.1f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "models": found}, indent=1))


if __name__ == "__main__":
    main()
