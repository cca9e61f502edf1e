"""Branches and loops that depend on data: a trace keeps the way that the example went."""

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from hazards.registry import hazard


@hazard(lambda n: torch.rand(n))
def sign_of_sum(x: Tensor) -> Tensor:
    """The article's function: its answer depends on the sign of the sum."""
    if torch.sum(x) > 0:  # hazard: lost-branch
        return x
    return -x


@hazard(lambda n: torch.rand(n))
def sign_of_sum_by_numpy(x: Tensor) -> Tensor:
    """The same branch, decided outside torch."""
    if np.sum(x.detach().numpy()) > 0:  # hazard: lost-branch
        return x * 2
    return x / 2


@hazard(lambda n: torch.rand(n))
def sign_of_sum_in_silence(x: Tensor) -> Tensor:
    """The same branch, under a filter that swallows the tracer's warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if x.sum() > 0:  # hazard: lost-branch
            return x.sqrt()
    return x.square()


def _relative_norm(x: Tensor, limit: float) -> Tensor:
    norm = x.norm()
    if norm > limit:  # hazard: lost-branch
        return x * (limit / norm)
    return x


@hazard(lambda n: torch.rand(n, 4) * 0.1, where=_relative_norm)
class ClippedByNorm(nn.Module):
    """Clipping by norm in a function beside the module."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(_relative_norm(x, 1.0))


@hazard(lambda n: torch.rand(n) * 9 + 1)
def newton_square_root(x: Tensor) -> Tensor:
    """Newton's method until it has converged."""
    root = x
    while (root * root - x).abs().max() > 1e-3:  # hazard: lost-branch
        root = (root + x / root) / 2
    return root


@hazard(lambda n: (torch.rand(n, 4), torch.tensor(3)))
class Diffusion(nn.Module):
    """As many steps as an input says."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        for _ in range(int(steps)):  # hazard: lost-branch
            x = x + 0.1 * torch.tanh(self.step(x))
        return x


@hazard(lambda n: torch.randn(1, 8))
class EarlyExit(nn.Module):
    """BranchyNet: the first classifier answers when it is sure enough."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.exit, self.head = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        early = self.exit(x).softmax(-1)
        if early.max() > 0.5:  # hazard: lost-branch
            return early
        return self.head(torch.relu(self.second(x))).softmax(-1)


@hazard(lambda n: torch.randn(n, 8))
class AdaptiveDepth(nn.Module):
    """SkipNet: a gate decides which blocks run."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(8, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for block, gate in zip(self.blocks, self.gates, strict=True):
            if gate(x).mean() > 0:  # hazard: lost-branch
                x = x + torch.relu(block(x))
        return x


@hazard(lambda n: (torch.randn(n, 5, 4), torch.ones(n, 5, dtype=torch.bool)))
class MaskedMeanOrZeros(nn.Module):
    """A masked mean that answers an empty mask with zeros."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if mask.any():  # hazard: lost-branch
            weights = mask.unsqueeze(-1).to(x.dtype)
            return (x * weights).sum(1) / weights.sum(1).clamp(min=1) + 1
        return torch.zeros_like(x[:, 0])


@hazard(lambda n: (torch.rand(n, 4), torch.rand(n, 4) + 1))
def stronger_of_two(left: Tensor, right: Tensor) -> Tensor:
    """Python's own max of two tensors."""
    peak = max(left.mean(), right.mean())  # hazard: lost-branch
    return (left + right) / peak


@hazard(lambda n: torch.randn(n, 6))
class MixtureOfExperts(nn.Module):
    """Experts that no token chose are skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 4)
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        choice = self.router(x).argmax(-1)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            chosen = (choice == index).nonzero().squeeze(-1)
            if chosen.numel() == 0:  # hazard: lost-branch
                continue
            out = out.index_add(0, chosen, expert(x[chosen]))
        return out
