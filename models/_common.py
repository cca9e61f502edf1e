"""What the model scripts share: options, progress, seeding, training."""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from rich.progress import Progress, TimeElapsedColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

Report = Callable[[str], None]
"""Called with one line of text after each epoch."""


def silent(line: str) -> None:
    """Report nothing."""


def parse_options(
    argv: Sequence[str] | None, description: str, *, out: str, seed: int, epochs: int
) -> argparse.Namespace:
    """Return ``out``, ``seed`` and ``epochs`` from the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(out), help="archive to write")
    parser.add_argument("--seed", type=int, default=seed, help="seed of everything random")
    parser.add_argument("--epochs", type=int, default=epochs, help="passes over the data")
    options = parser.parse_args(argv)
    if not options.out.parent.is_dir():  # found out now and not after the training
        parser.error(f"there is no folder {options.out.parent}")
    return options


@contextlib.contextmanager
def progress(title: str, epochs: int) -> Iterator[Report]:
    """Show a bar that moves on, and prints a line above itself, with every report."""
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as bar:
        task = bar.add_task(title, total=epochs)

        def report(line: str) -> None:
            bar.console.print(line, highlight=False)
            bar.advance(task)

        yield report


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's random numbers inside the block and put their state back after it."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed() would seed the accelerators too, which are not put back.
        torch.default_generator.manual_seed(seed)
        yield


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block."""
    # Networks this small lose more than they gain by sharing the work, above all on a busy
    # machine, and sums in one order give the same result however many cores there are.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def fit(
    model: nn.Module,
    batches: DataLoader,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    *,
    learning_rate: float,
    epochs: int,
    report: Report,
) -> list[float]:
    """Train `model` in place with Adam, leave it in evaluation mode, return each epoch's loss.

    `batches` yields pairs of inputs and targets, `loss_of` gives the mean loss of one such pair.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    model.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = loss_of(inputs, targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        losses.append(total / len(batches.dataset))
        report(f"epoch {epoch:2}: loss {losses[-1]:.3f}")
    model.eval()
    return losses


def describe(model: nn.Module, path: Path) -> str:
    """Return one line on the archive of `model` at `path`: its parameters and its size."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"saved {path}: {parameters} parameters, {path.stat().st_size} bytes"
