"""Values of any structure as flat tensors and back, for the operators that branch and loop."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.numbers import Number
from torchship.compiling.bridge.operators import Truth
from torchship.compiling.bridge.prims import Instance, Uninitialized
from torchship.compiling.bridge.problems import BranchError
from torchship.compiling.bridge.special import truth_tensor


@dataclass(frozen=True)
class Slot:
    """The place of a flat value in a structure; `kind` says what it is to become again."""

    index: int
    kind: str = "tensor"  # "int", "float" and "bool" travel as tensors too


class Operands:
    """The tensors and sizes from outside that a block uses: each once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[int, int] = {}

    def lift(self, value: Any) -> Any:
        """The value with a Slot for everything that changes from call to call."""
        if isinstance(value, Tensor | torch.SymInt):
            if id(value) not in self._known:
                self._known[id(value)] = len(self.values)
                self.values.append(value)
            return Slot(self._known[id(value)])
        if isinstance(value, Number) and isinstance(value.value, torch.SymInt):
            return Number(self.lift(value.value), value.dtype, value.denominator)
        return _mapped(self.lift, value)


def lower(structure: Any, values: tuple[Any, ...]) -> Any:
    """The value that was lifted, around other tensors."""
    if isinstance(structure, Slot):
        return values[structure.index]
    if isinstance(structure, Number) and isinstance(structure.value, Slot):
        return Number(values[structure.value.index], structure.dtype, structure.denominator)
    return _mapped(lambda each: lower(each, values), structure)


def _mapped(change: Any, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(change, value))
    if isinstance(value, dict):
        return {key: change(each) for key, each in value.items()}
    if isinstance(value, Truth):
        return Truth(change(value.value))
    if isinstance(value, Instance):
        return Instance(value.kind, change(value.attributes))
    return value


def as_tensors(value: Any, tensors: list[Tensor]) -> Any:
    """A result with numbers as tensors too: appends them, and gives the structure around them."""
    kind, tensor = _tensor(value)
    if tensor is not None:
        # Results must be nobody else's memory.
        tensors.append(tensor.clone())
        return Slot(len(tensors) - 1, kind)
    if isinstance(value, Instance | Uninitialized):
        raise BranchError("gives an object or a variable that is not always set")
    return _mapped(lambda each: as_tensors(each, tensors), value)


def _tensor(value: Any) -> tuple[str, Tensor | None]:
    if isinstance(value, Tensor):
        return "tensor", value
    if isinstance(value, Number):
        return "tensor", value.tensor()
    if isinstance(value, bool | torch.SymBool | Truth):
        return "bool", truth_tensor(value)
    if isinstance(value, int | torch.SymInt):
        return "int", _scalar(value, torch.int64)
    if isinstance(value, float | torch.SymFloat):
        return "float", _scalar(value, torch.float64)
    return "", None


def _scalar(value: Any, dtype: torch.dtype) -> Tensor:
    return torch.ops.aten.scalar_tensor.default(value, dtype=dtype, device="cpu")


def from_tensors(structure: Any, tensors: tuple[Tensor, ...]) -> Any:
    """What `as_tensors` took apart."""
    if isinstance(structure, Slot):
        tensor = tensors[structure.index]
        if structure.kind == "bool":
            return Truth(tensor)
        return tensor if structure.kind == "tensor" else tensor.item()
    return _mapped(lambda each: from_tensors(each, tensors), structure)
