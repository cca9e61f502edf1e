"""A small convolutional network that reads the handwritten digits of scikit-learn.

``python models/digits_cnn.py --out digits_cnn.pt`` trains it and writes the archive.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from _common import Report, describe, fit, parse_options, progress, seeded, silent
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchship import trace

SEED = 0
EPOCHS = 12
HELD_OUT = 360
# Not the training's seed: accuracies of different seeds are about the same images.
SPLIT_SEED = 0


class Result(NamedTuple):
    """Mean training loss of each epoch; accuracy on the held-out images, 0 to 1."""

    losses: list[float]
    accuracy: float


def build(seed: int = SEED) -> nn.Module:
    """Return the untrained network: float32 [N, 1, 8, 8], 0 to 1, in; float32 [N, 10] out."""
    with seeded(seed):
        return nn.Sequential(
            *_block(1, 32),
            *_block(32, 32),
            nn.MaxPool2d(2),
            *_block(32, 64),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 2 * 2, 10),
        )


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def split() -> tuple[TensorDataset, TensorDataset]:
    """Return 1437 training and 360 held-out pairs of an image [1, 8, 8] and its digit."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=HELD_OUT, stratify=labels, random_state=SPLIT_SEED
    )
    return TensorDataset(train_images, train_labels), TensorDataset(test_images, test_labels)


def train(
    model: nn.Module, *, seed: int = SEED, epochs: int = EPOCHS, report: Report = silent
) -> Result:
    """Train `model` in place, leave it in evaluation mode, return what came of it."""
    train_set, test_set = split()

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(images), labels)

    with seeded(seed):
        batches = DataLoader(train_set, batch_size=64, shuffle=True)
        losses = fit(model, batches, loss_of, learning_rate=0.003, epochs=epochs, report=report)
    return Result(losses, accuracy(model, test_set))


@torch.no_grad()
def accuracy(model: nn.Module, pairs: TensorDataset) -> float:
    """Return the share of images, 0 to 1, whose digit has the highest score."""
    images, labels = pairs.tensors
    return (model(images).argmax(dim=1) == labels).float().mean().item()


def example_inputs() -> tuple[Tensor, ...]:
    """Return two images to trace with: float32 [2, 1, 8, 8]."""
    return (_images(2),)


def _images(count: int) -> Tensor:
    return split()[1].tensors[0][:count]


def export(model: nn.Module, path: str | Path) -> None:
    """Trace `model`, prove the trace at other values and batch sizes, and save it."""
    names = {"inputs": ["image"], "outputs": ["logits"]}
    dynamic = {"input": {0: "batch"}}
    trace(model, example_inputs(), dynamic=dynamic, names=names, replay=[_images(7)]).save(path)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse_options(
        argv, "Train, trace and save digits_cnn.", out="digits_cnn.pt", seed=SEED, epochs=EPOCHS
    )
    model = build(options.seed)
    with progress("digits_cnn", options.epochs) as report:
        result = train(model, seed=options.seed, epochs=options.epochs, report=report)
    print(f"held-out accuracy: {result.accuracy:.4f}")
    export(model, options.out)
    print(describe(model, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
