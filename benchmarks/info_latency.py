"""Cost of `torchship info` on a large archive, beyond the start of the process.

`python benchmarks/info_latency.py [--megabytes 100]`. Runs `info` and `--version` in turn; the
median of the differences is what counts. With `--manifest`, the archive carries one, made by hand.
"""

import argparse
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


def seconds(*arguments: object) -> float:
    start = time.perf_counter()
    subprocess.run([EXECUTABLE, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


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
        seconds("info", archive)
        pairs = [(seconds("--version"), seconds("info", archive)) for _ in range(options.runs)]
        size = archive.stat().st_size / 1e6
    start, whole = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    extra = statistics.median(info - version for version, info in pairs) * 1e3
    print(f"{size:.1f} MB: --version {start:.1f} ms, info {whole:.1f} ms, difference {extra:.1f} ms")


if __name__ == "__main__":
    main()
