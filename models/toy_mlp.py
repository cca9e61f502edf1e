"""The example of the article "torch without R": a small network fitted to three predictors.

``python models/toy_mlp.py --out toy_mlp.pt`` trains it and writes the archive.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from _common import Report, describe, fit, parse_options, progress, seeded, silent
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchship import trace

ROWS = 1000
COEFFICIENTS = (0.2, -1.3, -0.5)
# The article has 32, with which ten epochs of Adam at 0.001 end above a loss of 1.35.
BATCH_SIZE = 8
# Not the training's seed: losses of different seeds are about the same rows.
DATA_SEED = 9
SEED = 4
EPOCHS = 10


def build(seed: int = SEED) -> nn.Module:
    """Return the untrained network: float32 [N, 3] in, float32 [N, 1] out."""
    with seeded(seed):
        return nn.Sequential(
            nn.Linear(3, 8),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(8, 16),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(16, 1),
        )


def dataset() -> TensorDataset:
    """Return 1000 rows of x, three standard normals, and y = 0.2 x1 - 1.3 x2 - 0.5 x3 + noise."""
    random = torch.Generator().manual_seed(DATA_SEED)
    x = torch.randn(ROWS, 3, generator=random)
    noise = torch.randn(ROWS, 1, generator=random)
    return TensorDataset(x, x @ torch.tensor(COEFFICIENTS).unsqueeze(1) + noise)


def train(
    model: nn.Module, *, seed: int = SEED, epochs: int = EPOCHS, report: Report = silent
) -> list[float]:
    """Train `model` in place, leave it in evaluation mode, return each epoch's mean loss."""

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.mse_loss(model(x), y)

    with seeded(seed):
        batches = DataLoader(dataset(), batch_size=BATCH_SIZE, shuffle=True)
        return fit(model, batches, loss_of, learning_rate=0.001, epochs=epochs, report=report)


def example_inputs() -> tuple[Tensor, ...]:
    """Return the article's row to trace with: float32 [1, 3]."""
    return (torch.tensor([[1.2, 3.0, 0.1]]),)


def export(model: nn.Module, path: str | Path) -> None:
    """Trace `model`, prove the trace at other values and batch sizes, and save it."""
    metadata = {"task": "three predictors, one outcome"}
    trace(model, example_inputs(), dynamic={"input": {0: "batch"}}, metadata=metadata).save(path)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse_options(
        argv, "Train, trace and save toy_mlp.", out="toy_mlp.pt", seed=SEED, epochs=EPOCHS
    )
    model = build(options.seed)
    with progress("toy_mlp", options.epochs) as report:
        train(model, seed=options.seed, epochs=options.epochs, report=report)
    with torch.no_grad():
        print(f"answer to (1, 1, 1): {model(torch.ones(1, 3)).item():.3f}")
    export(model, options.out)
    print(describe(model, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
