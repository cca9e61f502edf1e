"""What the folder's modules fill: networks by name, with the arguments of one call."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

NETWORKS: dict[str, "Network"] = {}


@dataclass(frozen=True)
class Network:
    name: str
    build: Callable[[], nn.Module]
    arguments: Callable[[], tuple]

    def made(self) -> tuple[nn.Module, tuple]:
        """The module in eval mode and its arguments, the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(self.name.encode()))
            return self.build().eval().requires_grad_(False), self.arguments()


def network(*arguments: Callable[[], Tensor]) -> Callable:
    """Adds the class of a module, or a function that returns one, under its name."""

    def register(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        made = Network(build.__name__, build, lambda: tuple(make() for make in arguments))
        NETWORKS[made.name] = made
        return build

    return register


def normal(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(shape)


def image(size: int, channels: int = 3) -> Callable[[], Tensor]:
    return normal(1, channels, size, size)


def ids(*shape: int, below: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(0, below, shape)
