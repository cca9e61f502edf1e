"""Measures loading beside torch.jit.load, in turn: python benchmarks/loading.py [--rounds N]

The archive is a transformer encoder of six layers and an embedding: 90 MB. Times are for a file
that the system has in memory. Memory is what a process that did nothing else has to itself and
wrote to.
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
import torchship
from torch import Tensor, nn

WAYS = {
    "torch.jit.load": torch.jit.load,
    "load": torchship.load,
    "load, verify_digests=True": lambda path: torchship.load(path, verify_digests=True),
    "load, verify=False": lambda path: torchship.load(path, verify=False),
    "load, map=False": lambda path: torchship.load(path, map=False),
    "load, optimize=False": lambda path: torchship.load(path, optimize=False),
    "load, verify and optimize=False": lambda path: torchship.load(
        path, verify=False, optimize=False
    ),
    "info": torchship.info,
}
IDS = torch.zeros(1, 16, dtype=torch.long)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30522, 384)
        layer = nn.TransformerEncoderLayer(384, 6, 1536, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.encoder(self.embedding(ids))


def encoder() -> Encoder:
    """With weights that differ, as trained ones do: PyTorch copies its first layer."""
    model = Encoder().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.05)
    return model


def milliseconds(way, path: Path) -> float:
    start = time.perf_counter()
    loaded = way(path)
    end = time.perf_counter()
    del loaded
    return 1e3 * (end - start)


def private_megabytes() -> float:
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1e3


def measure_memory(name: str, path: str) -> None:
    """In a process of its own: what loading and a call add."""
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    torchship.info(path)
    before = private_megabytes()
    model = WAYS[name](path)
    loaded = private_megabytes()
    if name != "info":
        with torch.no_grad():
            model(IDS)
    print(f"{loaded - before:.1f} MB, {private_megabytes() - before:.1f} MB after a call")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--memory", nargs=2, metavar=("WAY", "ARCHIVE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.memory:
        measure_memory(*arguments.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.pt"
        torchship.trace(encoder(), (IDS,)).save(path)
        times = {name: [] for name in WAYS}
        for round_number in range(arguments.rounds + 1):
            for name, way in WAYS.items():
                took = milliseconds(way, path)
                if round_number > 0:  # The first one warms up.
                    times[name].append(took)
        print(f"{path.stat().st_size / 1e6:.1f} MB, median of {arguments.rounds} (fastest), ms")
        for name in WAYS:
            command = [sys.executable, __file__, "--memory", name, path]
            memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            middle, least = statistics.median(times[name]), min(times[name])
            print(f"{name:32}{middle:7.1f} ({least:.1f})  adds {memory.strip()}")


if __name__ == "__main__":
    main()
