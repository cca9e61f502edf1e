"""Models that remember: buffers, attributes, globals."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hazards.registry import hazard

CALLS = 0
CACHE: list[Tensor] = []
SCALES = {"scale": 1.0}


@hazard(lambda n: torch.randn(n, 4))
class CallCounter(nn.Module):
    """A buffer that counts the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # hazard: state-change
        return self.linear(x)


@hazard(lambda n: torch.randn(n, 4))
class CodebookUsage(nn.Module):
    """A vector quantiser that counts how often each code was used."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(6, 4))
        self.register_buffer("usage", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        code = torch.cdist(x, self.codes).argmin(1)
        counts = nn.functional.one_hot(code, 6).sum(0).to(self.usage.dtype)
        self.usage.mul_(0.9).add_(counts)  # hazard: state-change
        return self.codes[code]


@hazard(lambda n: torch.randn(2, 3))
class StatefulCell(nn.Module):
    """A recurrent cell that keeps its state between calls."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.hidden = torch.zeros(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.hidden = self.cell(x, self.hidden).detach()  # hazard: lost-state
        return self.hidden * 2


@hazard(lambda n: torch.randn(n, 4))
class WarmUp(nn.Module):
    """A Python counter that decides which half of the model runs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.step = 0

    def forward(self, x: Tensor) -> Tensor:
        self.step += 1  # hazard: lost-state
        if self.step <= 2:
            return x
        return self.linear(x)


@hazard(lambda n: torch.randn(2, 1, 4))
class KeyValueCache(nn.Module):
    """Attention over the keys of all earlier calls, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value = nn.Linear(4, 4), nn.Linear(4, 4)
        self.past = []

    def forward(self, x: Tensor) -> Tensor:
        self.past.append((self.key(x).detach(), self.value(x).detach()))  # hazard: lost-state
        keys, values = (torch.cat(part, 1) for part in zip(*self.past, strict=True))
        return (x @ keys.transpose(1, 2)).softmax(-1) @ values


@hazard(lambda n: torch.randn(n, 4))
def decayed_by_calls(x: Tensor) -> Tensor:
    """A result that grows with a global counter of calls."""
    global CALLS
    CALLS += 1  # hazard: global-state
    return x * CALLS


@hazard(lambda n: torch.randn(2, 4))
def against_the_last(x: Tensor) -> Tensor:
    """The difference from the last call's input, kept in a list of the module."""
    last = CACHE[-1] if CACHE else torch.zeros_like(x)
    CACHE.append(x)  # hazard: global-state
    return x - last


@hazard(lambda n: torch.rand(n, 4) + 1)
def scaled_by_settings(x: Tensor) -> Tensor:
    """A setting of the module that the function itself changes."""
    scaled = x * SCALES["scale"]
    SCALES["scale"] += 0.5  # hazard: global-state
    return scaled


@hazard(lambda n: torch.rand(n, 4) + 1, factory=True)
def counting_closure() -> Callable[[Tensor], Tensor]:
    """A counter in the closure of a function."""
    count = 0

    def forward(x: Tensor) -> Tensor:
        nonlocal count
        count += 1  # hazard: global-state
        return x.mean(0) / count

    return forward
