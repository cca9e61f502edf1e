"""For each code of `torchship lint` a faulty module and a sound one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from support import legacy
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A faulty module with the line or place where it is faulty, and the same without the fault.

    `at` is a part of the faulty line of this file, or the place itself where it begins with "@".
    """

    code: str
    severity: str
    faulty: Callable[[], torch.jit.ScriptModule]
    at: str
    sound: Callable[[], torch.jit.ScriptModule]


def traced(module: nn.Module, *examples: Tensor, train: bool = False) -> torch.jit.ScriptModule:
    return legacy(torch.jit.trace, module.train(train), examples, check_trace=False)


def scripted(module: nn.Module) -> torch.jit.ScriptModule:
    return legacy(torch.jit.script, module.eval())


def linear(**more: Any) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(4, 4, **more)


class Device(nn.Module):
    def __init__(self, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed

    def forward(self, x: Tensor) -> Tensor:
        if self.fixed:
            return x + torch.ones(4, device="cpu")
        return x + torch.ones_like(x)


class Batch(nn.Module):
    def __init__(self, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed

    def forward(self, x: Tensor) -> Tensor:
        if self.fixed:
            return x.reshape(int(x.shape[0]), 8)
        return x.reshape(x.shape[0], 8)


class Token(nn.Module):
    """A learned token for each row of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.token.expand(int(x.shape[0]), 1, 4)
        return torch.cat([rows, x], dim=1)


class Dropout(nn.Module):
    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5, self.always)


class BatchNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class Noise(nn.Module):
    def __init__(self, noisy: bool) -> None:
        super().__init__()
        self.noisy = noisy

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) if self.noisy else x + torch.ones_like(x)


class Counting(nn.Module):
    def __init__(self, counts: bool) -> None:
        super().__init__()
        self.counts = counts
        self.register_buffer("calls", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        if self.counts:
            self.calls.add_(1)
        return x + self.calls


class Unused(nn.Module):
    def __init__(self, mask: bool) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask if self.mask else x * 2


class Doubles(nn.Module):
    """Positions in float64 beside weights of float32."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = linear()
        self.register_buffer("positions", torch.arange(4, dtype=dtype) / 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.positions


class DoubleCast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = linear()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).to(torch.float64)


class Number(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x, x.dim()


class Constant(nn.Module):
    """A table that is no buffer."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = [torch.arange(rows * 4, dtype=torch.float32).reshape(rows, 4)]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[0].mean(0)


class DeadWeight(nn.Module):
    def __init__(self, used: bool) -> None:
        super().__init__()
        self.used, self.head, self.old_head = used, linear(), linear(bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) + self.old_head(x) if self.used else self.head(x)


class Copies(nn.Module):
    """Two tables with the same numbers, shared or not."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Embedding(64, 8), nn.Embedding(64, 8)
        with torch.no_grad():
            values = torch.arange(512, dtype=torch.float32).reshape(64, 8)
            self.encoder.weight.copy_(values)
            self.decoder.weight.copy_(values)
        if shared:
            self.decoder.weight = self.encoder.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x) + self.decoder(x)


class Constants(nn.Module):
    """Layers that are all zeros, as fresh biases are."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Parameter(torch.zeros(512)), nn.Parameter(torch.zeros(512))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.one.sum() + self.two.sum()


X = torch.ones(2, 4)
X3 = torch.ones(2, 3, 4)
ROWS = torch.ones(2, 2, 4)
WORDS = torch.tensor([1, 2])

CASES = [
    Case(
        "baked-device",
        "warning",
        lambda: traced(Device(True), X),
        'torch.ones(4, device="cpu")',
        lambda: traced(Device(False), X),
    ),
    Case(
        "baked-size",
        "warning",
        lambda: traced(Batch(True), ROWS),
        "x.reshape(int(x.shape[0]), 8)",
        lambda: traced(Batch(False), ROWS),
    ),
    Case(
        "baked-size",
        "warning",
        lambda: traced(Token(), X3),
        "self.token.expand(int(x.shape[0])",
        lambda: traced(Token(), X3[:1]),
    ),
    Case(
        "train-mode",
        "error",
        lambda: traced(Dropout(True), X),
        "nn.functional.dropout(x, 0.5, self.always)",
        lambda: traced(Dropout(False), X),
    ),
    Case(
        "train-mode",
        "error",
        lambda: traced(BatchNorm(), X),
        "return self.norm(x)",
        lambda: traced(nn.BatchNorm1d(4), X),
    ),
    Case(
        "random",
        "warning",
        lambda: traced(Noise(True), X),
        "torch.randn_like(x) if self.noisy",
        lambda: traced(Noise(False), X),
    ),
    Case(
        "state-change",
        "warning",
        lambda: traced(Counting(True), X),
        "self.calls.add_(1)",
        lambda: traced(Counting(False), X),
    ),
    Case(
        "unused-input",
        "warning",
        lambda: traced(Unused(False), X, X),
        "@mask",
        lambda: traced(Unused(True), X, X),
    ),
    Case(
        "double-precision",
        "warning",
        lambda: traced(Doubles(torch.float64), X),
        "@positions",
        lambda: traced(Doubles(torch.float32), X),
    ),
    Case(
        "double-precision",
        "warning",
        lambda: traced(DoubleCast(), X),
        "self.linear(x).to(torch.float64)",
        lambda: traced(DoubleCast().double(), X.double()),
    ),
    Case(
        "number-result",
        "note",
        lambda: scripted(Number()),
        "@forward",
        lambda: traced(linear(), X),
    ),
    Case(
        "large-constant",
        "note",
        lambda: traced(Constant(1 << 16), X),
        "@c0",
        lambda: traced(Constant(4), X),
    ),
    Case(
        "unused-parameter",
        "note",
        lambda: traced(DeadWeight(False), X),
        "@old_head",
        lambda: traced(DeadWeight(True), X),
    ),
    Case(
        "duplicate-weights",
        "note",
        lambda: traced(Copies(False), WORDS),
        "@encoder.weight",
        lambda: traced(Copies(True), WORDS),
    ),
    Case(
        "duplicate-weights",
        "note",
        lambda: traced(Copies(False), WORDS),
        "@encoder.weight",
        lambda: traced(Constants(), X),
    ),
]
