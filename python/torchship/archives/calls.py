"""A call of a method, and the sizes that vary in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge import Range
from torchship.tracing.inputs import resized
from torchship.tracing.structure import Structure, flatten, rebuild

Json = dict[str, Any]
Dynamic = list[dict[int, Range]]


@dataclass(frozen=True)
class Call:
    """One call of a method: its tensors, and what is around them."""

    tensors: list[Tensor]
    structures: list[Structure]  # one for each argument

    @property
    def inputs(self) -> list[Any]:
        return self.around(self.tensors)

    def around(self, tensors: Sequence[Tensor]) -> list[Any]:
        """The inputs of the same call with other tensors."""
        return [rebuild(each, tensors) for each in self.structures]

    @staticmethod
    def of(inputs: Sequence[Any], where: str) -> "Call":
        # As one list, so that tensors are numbered through.
        tensors, structure = flatten(list(inputs), where)
        return Call(tensors, list(structure.items))


@dataclass
class Method:
    """A method that is to be compiled or converted."""

    name: str
    argument_names: list[str]
    call: Call  # an example
    dynamic: Dynamic  # one entry for each tensor of the call
    samples: list[Json] = field(default_factory=list)
    origin: str = "synthetic"  # of the call: "example" where it is somebody's data

    def ranges(self) -> dict[str, Range]:
        return {each.name: each for entry in self.dynamic for each in entry.values()}

    def sized(self, sizes: Mapping[str, int]) -> Call:
        """A call in which symbols have these sizes."""
        wanted = {
            (number, dimension): sizes[each.name]
            for number, entry in enumerate(self.dynamic)
            for dimension, each in entry.items()
            if each.name in sizes
        }
        if all(self.call.tensors[n].shape[d] == size for (n, d), size in wanted.items()):
            return self.call
        generator = torch.Generator().manual_seed(0)
        return Call(next(resized(self.call.tensors, wanted, generator)), self.call.structures)
