"""Devices written into the code, inputs that do nothing, checks that are lost."""

import torch
from torch import Tensor, nn

from hazards.registry import hazard


@hazard(lambda n: torch.randn(n, 4))
class PaddedOnCpu(nn.Module):
    """A row of zeros on a device that is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        start = torch.zeros(1, 4, device="cpu")  # hazard: baked-device
        return self.linear(torch.cat([start, x]))


@hazard(lambda n: torch.randint(0, 30, (n, 5)))
class PositionsWithoutDevice(nn.Module):
    """Positions on whatever device is the default."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(30, 8), nn.Embedding(64, 8)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1])  # hazard: baked-device
        return self.words(ids) + self.positions(places)


@hazard(lambda n: torch.rand(n, 3, 4, 4))
def normalised_on_cpu(image: Tensor) -> Tensor:
    """ImageNet's mean, copied to the CPU."""
    mean = torch.full_like(image[:1, :, :1, :1], 0.45).cpu()  # hazard: baked-device
    return (image - mean) / 0.22


@hazard(lambda n: (torch.randint(0, 30, (n, 5)), torch.ones(n, 5)))
class IgnoredMask(nn.Module):
    """An encoder that takes a mask and does not use it."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(30, 8), nn.Linear(8, 3)

    def forward(self, ids: Tensor, attention_mask: Tensor) -> Tensor:  # hazard: unused-input
        return self.head(self.words(ids).mean(1))


@hazard(lambda n: (torch.randn(n, 4), torch.rand(n, 4)))
def overwritten_weights(x: Tensor, weights: Tensor) -> Tensor:  # hazard: unused-input
    """Weights that are replaced before they are used."""
    weights = torch.ones_like(x)
    return (x * weights).sum(-1) / weights.sum(-1)


@hazard(lambda n: (torch.randn(n, 4), 3))
def repeated(x: Tensor, times: int) -> Tensor:  # hazard: baked-argument
    """A number as an argument: the trace has room for tensors only."""
    return x.repeat_interleave(times, dim=1)


@hazard(lambda n: torch.rand(n, 4) + 0.1)
def log_of_positive(x: Tensor) -> Tensor:
    """An assertion on the values."""
    assert bool((x >= 0).all()), "negative input"  # hazard: lost-check
    return torch.log1p(x)


@hazard(lambda n: torch.randn(n, 4))
class RefusesNan(nn.Module):
    """A refusal of values that are not numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        if torch.isnan(x).any():  # hazard: lost-check
            raise ValueError("the input has NaN")
        return self.linear(x)
