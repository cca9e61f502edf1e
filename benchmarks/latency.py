"""First call and steady time of an archive: torchship's binding against stock `torch.jit.load`.

`python benchmarks/latency.py ARCHIVE [--shape 1,3]`. Calls are taken in turn in one process on one
thread; the ratio of the medians is what counts, absolute times are this machine's of this minute.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
import torchship
from rich.console import Console
from rich.table import Table


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stock(archive: str) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(archive).eval()


def measure(archive: str, x: torch.Tensor, calls: int) -> dict[str, dict[str, float]]:
    """Returns seconds: for each way to load, its first call and the median of later ones."""
    ways = {"torchship": torchship.load(archive), "torch.jit.load": stock(archive)}
    first = {name: seconds(lambda model=model: model(x)) for name, model in ways.items()}
    for _ in range(3):
        assert torch.allclose(*(model(x) for model in ways.values()), atol=1e-6)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(calls):
        for name, model in ways.items():
            times[name].append(seconds(lambda model=model: model(x)))
    return {n: {"first": first[n], "steady": statistics.median(times[n])} for n in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("--shape", default="1,3", help="of the one float32 input")
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    x = torch.rand([int(size) for size in options.shape.split(",")])
    with torch.inference_mode():
        result = measure(options.archive, x, options.calls)
    table = Table(title=f"{options.archive}, float32[{options.shape}], one thread")
    for column in ("", "first call", "steady median"):
        table.add_column(column, justify="right" if column else "left")
    for name, times in result.items():
        table.add_row(name, *(f"{times[kind] * 1e6:.1f} us" for kind in ("first", "steady")))
    ours, theirs = result.values()
    table.add_row("ratio", *(f"{ours[kind] / theirs[kind]:.3f}" for kind in ("first", "steady")))
    Console().print(table)


if __name__ == "__main__":
    main()
