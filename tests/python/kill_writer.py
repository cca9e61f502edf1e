"""Kills processes that save over an archive, and looks at what is left: kill_writer.py FILE KILLS.

One process imports torch and forks the writers, which costs milliseconds and not seconds.
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import torch
import torchship


class Constant(torch.nn.Module):
    """Tells its number from the first to the last of its weights."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.full((1 << 18,), float(number)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.weights.min(), self.weights.max()]) + x


def traced(number: int) -> torch.jit.ScriptModule:
    return torch.jit.trace(Constant(number).eval(), torch.zeros(1))


def number_in(path: Path) -> int:
    """The number of the archive at `path`; an exception unless it is all there."""
    smallest, largest = torchship.load(path)(torch.zeros(1)).tolist()
    if smallest != largest:
        raise ValueError(f"weights from {smallest} to {largest}")
    return int(smallest)


def kill_one(path: Path, module: torch.jit.ScriptModule, delay: float) -> None:
    writer = os.fork()
    if writer == 0:
        try:
            while True:
                torchship.save(module, path)
        finally:
            os._exit(1)  # Never on to the loop of the parent.
    time.sleep(delay)
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("the writer ended by itself")


def main(path: Path, kills: int) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda descriptor: None  # It guards against power cuts, and takes most of the time.
    random.seed(0)
    torchship.save(traced(0), path)
    scale = 0.01  # Seconds; it settles where half of the writers get to the end.
    kept = replaced = 0
    old = number_in(path)
    for new in range(1, kills + 1):
        kill_one(path, traced(new), random.uniform(0, 2 * scale))
        found = number_in(path)
        if found not in (old, new):
            raise ValueError(f"neither {old} nor {new}: {found}")
        kept += found == old
        replaced += found == new
        scale *= 1.1 if found == old else 0.9
        old = found
    print(json.dumps({"kept": kept, "replaced": replaced}))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace, os.fork
        main(Path(sys.argv[1]), int(sys.argv[2]))
