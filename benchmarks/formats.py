"""What weights of fewer bits gain and cost: `python benchmarks/formats.py [--threads N]`.

Models with random weights, with layers as large as well-known ones have, are loaded with each
format; their calls take turns. The error is the norm of the difference from the module's own result
over that of the result.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchship
from machine import machine
from networks import transformer
from report import time_text
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

FORMATS = ("float32", "bfloat16", "int8")
ROUNDS = 9


def mlp(*widths: int) -> nn.Module:
    layers = [(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*itertools.chain(*layers))[:-1]


# Perceptrons of four layers, and the suite's encoder: six layers, 384 wide.
MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "mlp 4096, 1 row": lambda: (mlp(*[4096] * 5), torch.randn(1, 4096)),
    "mlp 1024, 1 row": lambda: (mlp(*[1024] * 5), torch.randn(1, 1024)),
    "mlp 1024, 8 rows": lambda: (mlp(*[1024] * 5), torch.randn(8, 1024)),
    "encoder, 64 rows": lambda: (transformer(), torch.randn(1, 64, 384)),
    "encoder, 256 rows": lambda: (transformer(), torch.randn(1, 256, 384)),
}


def seconds(model: torchship.Model, x: Tensor, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        model(x)
    return (time.perf_counter() - begun) / count


def measure(name: str, options: argparse.Namespace) -> list[str]:
    """A row of the table."""
    torch.manual_seed(0)
    module, x = MODELS[name]()
    module.eval()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "model.pt"
        torchship.trace(module, x).save(path)
        expected = module(x)
        models = {
            each: torchship.load(path, weights=each, engine="planned", threads=options.threads)
            for each in FORMATS
        }
        errors = {
            each: float((model(x) - expected).norm() / expected.norm())
            for each, model in models.items()
        }
        times: dict[str, list[float]] = {each: [] for each in FORMATS}
        count = max(1, int(options.seconds / ROUNDS / seconds(models["float32"], x, 3)))
        for _ in range(ROUNDS):
            for each, model in models.items():
                times[each].append(seconds(model, x, count))
    row = [name, time_text(statistics.median(times["float32"]))]
    for each in FORMATS[1:]:
        ratios = [own / base for own, base in zip(times[each], times["float32"], strict=True)]
        row += [f"{statistics.median(ratios):.2f}", f"{errors[each]:.1e}"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2, help="of calls for each format")
    options = parser.parse_args()
    found = machine()
    table = Table(
        *("model", "float32", "bfloat16", "error", "int8", "error"),
        title=f"{found['processor']}, {options.threads} thread(s)",
    )
    for name in MODELS:
        table.add_row(*measure(name, options))
    Console().print(table)


if __name__ == "__main__":
    main()
