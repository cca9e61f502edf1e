"""Cost of `torchship info` on a large archive, beyond the start of the process.

`python benchmarks/info_latency.py [--megabytes 100]`. Runs `info` and `--version` in turn; the
median of the differences is what counts. On a busy machine look at the processor time, which other
programs disturb less. With `--manifest`, the archive carries one, made by hand.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from torch import nn
from torchship.cli import EXECUTABLE


def write_archive(path: Path, megabytes: int) -> None:
    """A traced perceptron of ten equal layers, that large in all."""
    width = int((megabytes * 1e6 / 4 / 10) ** 0.5)
    model = nn.Sequential(*(nn.Linear(width, width) for _ in range(10))).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(model, torch.ones(1, width)), str(path))


def with_manifest(path: Path) -> Path:
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "python"))
    from handmade import add_manifest, manifest

    return add_manifest(path, path.with_name("with_manifest.pt"), manifest())


def cost(*arguments: object) -> tuple[float, float]:
    """Milliseconds that a run takes, by the clock and of the processor."""
    start = time.perf_counter()
    process = subprocess.Popen([EXECUTABLE, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    assert status == 0
    return elapsed * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--manifest", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "model.pt"
        write_archive(archive, options.megabytes)
        if options.manifest:
            archive = with_manifest(archive)
        cost("info", archive)
        pairs = [(cost("--version"), cost("info", archive)) for _ in range(options.runs)]
        print(f"archive of {archive.stat().st_size / 1e6:.1f} MB, {options.runs} pairs of runs")
    for which, name in enumerate(("clock", "processor")):
        starts = [version[which] for version, _ in pairs]
        extra = [info[which] - version[which] for version, info in pairs]
        print(
            f"{name:10} --version {statistics.median(starts):7.1f} ms, "
            f"info beyond it {statistics.median(extra):6.1f} ms"
        )


if __name__ == "__main__":
    main()
