"""Modules like those that R torch's own tests trace, and how the parity tests compare."""

from pathlib import Path
from typing import Any

import torch
import torchship
from support import legacy
from torch import Tensor, nn

ONE, TWO, THREE = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0])


def same(got: Any, expected: Any) -> None:
    """Check that values agree all the way down: kinds, keys in their order, tensors."""
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        got, expected = list(got.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert isinstance(got, list if isinstance(expected, list) else tuple)
        for one, other in zip(got, expected, strict=True):
            same(one, other)
    elif isinstance(expected, Tensor):
        torch.testing.assert_close(got, expected)
    else:
        assert type(got) is type(expected)
        assert got == expected


def stock(path: Path) -> torch.jit.ScriptModule:
    """The archive as ``torch.jit.load`` opens it; R's ``jit_load`` is the same function."""
    return legacy(torch.jit.load, str(path))


def ship(traced: Any, path: Path) -> torchship.Model:
    """Save a trace, and load it after stock torch has opened it as well."""
    traced.save(path)
    stock(path)
    return torchship.load(path)


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


class Net(nn.Module):
    """A small convolutional network with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(8 * 4 * 4, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        x = self.dropout1(nn.functional.max_pool2d(x, 2))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return nn.functional.log_softmax(self.fc2(self.dropout2(x)), dim=1)


class Parts(nn.Module):
    """Parameters, buffers, submodules, plain attributes and three methods."""

    METHODS = {"forward": (ONE,), "testing": (torch.ones(4, 3),), "test_constant": (ONE,)}

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(3)
        self.par = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("buff", torch.ones(3, 2))
        self.constant = 1
        self.hello = [ONE, TWO, "hello"]

    def forward(self, x: Tensor) -> Tensor:
        return self.par * x

    def testing(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def test_constant(self, x: Tensor) -> Tensor:
        return x + self.constant + self.hello[1]


class Modes(nn.Module):
    """Does one thing in training and another in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.abs(x) if self.training else -torch.abs(x)


class Coder(nn.Module):
    """Two methods, neither of them forward."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def encode(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def decode(self, code: Tensor) -> Tensor:
        return code @ self.linear.weight


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


class Nested(nn.Module):
    """A module inside a module."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x))
