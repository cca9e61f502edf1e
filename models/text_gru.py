"""A recurrent network that tells what a sentence of Python's own documentation is about.

``python models/text_gru.py --out text_gru.pt`` trains it and writes the archive.

The text is the docstrings of the standard library, read from its source files: nothing is
downloaded, and the sentences differ a little between versions of Python.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from _common import Report, describe, fit, parse_options, progress, seeded, silent
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torchship import trace

# Modules written in Python and present from 3.10 to 3.13.
TOPICS = {
    "concurrency": (
        "asyncio.base_events asyncio.events asyncio.futures asyncio.locks asyncio.protocols "
        "asyncio.queues asyncio.streams asyncio.tasks asyncio.transports concurrent.futures._base "
        "concurrent.futures.process multiprocessing.context multiprocessing.managers "
        "multiprocessing.pool multiprocessing.shared_memory queue sched subprocess threading"
    ),
    "files": "_pyio bz2 filecmp fileinput fnmatch gzip lzma shutil tarfile tempfile zipfile",
    "network": (
        "email.generator email.message ftplib http.client http.cookiejar http.server imaplib "
        "poplib smtplib socketserver urllib.parse urllib.request xmlrpc.client"
    ),
    "numbers": "_pydecimal bisect calendar colorsys fractions heapq numbers random statistics",
    "testing": (
        "bdb doctest pdb pstats timeit trace traceback unittest.case unittest.loader "
        "unittest.mock unittest.result unittest.suite"
    ),
}
PAD = 0  # a byte that no docstring has
LONGEST = 100  # characters of a sentence seen in training; the model itself takes any length
HELD_OUT = 0.2
# Not the training's seed: accuracies of different seeds are about the same sentences.
SPLIT_SEED = 0
SEED = 0
EPOCHS = 6


class Result(NamedTuple):
    """Mean training loss of each epoch; accuracies on the held-out sentences, 0 to 1.

    `baseline` is the accuracy of always answering the topic most frequent in training.
    """

    losses: list[float]
    accuracy: float
    baseline: float


class TextGRU(nn.Module):
    """Bytes, int64 [N, T] padded with 0, to a dict of float32 tensors.

    ``logits`` [N, 5] scores the topics in the order of `TOPICS`; ``embedding`` [N, H] is the
    mean of the recurrent states, scaled to length 1. N and T, 1 or more, are free, and the
    padding after a text changes neither.
    """

    def __init__(self, width: int = 32, hidden: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width, padding_idx=PAD)
        self.gru = nn.GRU(width, hidden, batch_first=True)
        # nn.GRU makes its own zeros on the device it was traced on; a parameter moves along.
        self.start = nn.Parameter(torch.zeros(1, 1, hidden))
        self.dropout = nn.Dropout(0.3)
        self.topics = nn.Linear(hidden, len(TOPICS))

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        start = self.start.expand(-1, tokens.size(0), -1).contiguous()
        states, _ = self.gru(self.embed(tokens), start)
        present = (tokens != PAD).unsqueeze(2)
        mean = (states * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
        return {
            "logits": self.topics(self.dropout(mean)),
            "embedding": nn.functional.normalize(mean, dim=1),
        }


def build(seed: int = SEED) -> nn.Module:
    """Return the untrained network, see `TextGRU`."""
    with seeded(seed):
        return TextGRU()


def encode(text: str) -> Tensor:
    """Return the UTF-8 bytes of `text` as int64 [1, T].

    Raises:
        ValueError: `text` is empty.
    """
    if not text:
        raise ValueError("the text is empty: the model needs one byte or more")
    return torch.tensor([list(text.encode())])


def sentences() -> list[tuple[str, int]]:
    """Return every sentence found under one topic only, with that topic's number, sorted."""
    topics: dict[str, set[int]] = {}
    for number, modules in enumerate(TOPICS.values()):
        for module in modules.split():
            for sentence in _module_sentences(module):
                topics.setdefault(sentence, set()).add(number)
    return sorted((text, *numbers) for text, numbers in topics.items() if len(numbers) == 1)


def _module_sentences(module: str) -> Iterator[str]:
    for docstring in _docstrings(module):
        for paragraph in re.split(r"\n\s*\n", docstring):
            if ">>>" not in paragraph:
                text = " ".join(paragraph.split())
                yield from (s for s in re.split(r"(?<=[.!?]) (?=[A-Z])", text) if len(s) >= 20)


def _docstrings(module: str) -> Iterator[str]:
    # From the source: python -OO strips docstrings, and imports have side effects.
    source = importlib.util.find_spec(module).loader.get_source(module)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented):
            yield ast.get_docstring(node) or ""


def split() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the sentences to train with and the held-out fifth."""
    pairs = sentences()
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(SPLIT_SEED))
    shuffled = [pairs[i] for i in order]
    held_out = round(HELD_OUT * len(pairs))
    return shuffled[held_out:], shuffled[:held_out]


def _batch(pairs: list[tuple[str, int]]) -> tuple[Tensor, Tensor]:
    """Return the sentences of `pairs`, int64 [N, T], and their topics, int64 [N]."""
    return _pad(*(text[:LONGEST] for text, _ in pairs)), torch.tensor([topic for _, topic in pairs])


def _pad(*texts: str) -> Tensor:
    """Return `texts` as int64 [N, T], T that of the longest, zeros after the others."""
    return pad_sequence([encode(text)[0] for text in texts], batch_first=True, padding_value=PAD)


def train(
    model: nn.Module, *, seed: int = SEED, epochs: int = EPOCHS, report: Report = silent
) -> Result:
    """Train `model` in place, leave it in evaluation mode, return what came of it."""
    train_set, test_set = split()

    def loss_of(tokens: Tensor, topics: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(tokens)["logits"], topics)

    with seeded(seed):
        batches = DataLoader(train_set, batch_size=32, shuffle=True, collate_fn=_batch)
        losses = fit(model, batches, loss_of, learning_rate=0.005, epochs=epochs, report=report)
    most_frequent = torch.tensor([topic for _, topic in train_set]).mode().values
    topics = torch.tensor([topic for _, topic in test_set])
    baseline = (topics == most_frequent).float().mean().item()
    return Result(losses, accuracy(model, test_set), baseline)


@torch.no_grad()
def accuracy(model: nn.Module, pairs: list[tuple[str, int]]) -> float:
    """Return the share of sentences, 0 to 1, whose topic has the highest score."""
    tokens, topics = _batch(pairs)
    return (model(tokens)["logits"].argmax(dim=1) == topics).float().mean().item()


def example_inputs() -> tuple[Tensor, ...]:
    """Return two sentences to trace with, one of them padded: int64 [2, T]."""
    return (_pad("Return a random integer.", "Open the archive for reading."),)


def export(model: nn.Module, path: str | Path) -> None:
    """Trace `model`, prove the trace at other batch sizes and lengths, and save it."""
    others = [_pad("?"), _pad("Wait for a thread."), _pad(*(6 * ["Send mail."]), "long " * 60)]
    dynamic = {"tokens": {0: "batch", 1: "length"}}
    trace(model, example_inputs(), dynamic=dynamic, replay=others).save(path)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse_options(
        argv, "Train, trace and save text_gru.", out="text_gru.pt", seed=SEED, epochs=EPOCHS
    )
    model = build(options.seed)
    with progress("text_gru", options.epochs) as report:
        result = train(model, seed=options.seed, epochs=options.epochs, report=report)
    print(f"held-out accuracy: {result.accuracy:.4f}, always the same topic: {result.baseline:.4f}")
    export(model, options.out)
    print(describe(model, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
