"""The exported program beside the method that it was made of."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.exporting import Attempt
from torchship.compiling.bridge.runner import Runner
from torchship.tracing.compare import compare
from torchship.tracing.state import seeded
from torchship.tracing.structure import Structure, rebuild


class Original:
    """The TorchScript method, called with flat tensors; leaves them as they were."""

    def __init__(self, script: torch.jit.ScriptModule, method: str, runner: Runner) -> None:
        self._method = script._c._get_method(method)
        self._arguments = runner.arguments

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        own = [each.detach().clone(memory_format=torch.contiguous_format) for each in tensors]
        # The profiling executor would compile anew for each shape.
        with torch.no_grad(), seeded(0), torch.jit.optimized_execution(False):
            return self._method(*self._arguments.around(own))

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        try:
            self(tensors)
        except Exception:
            return False
        return True


def run_flat(function: Any, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    with torch.no_grad(), seeded(0):
        return tuple(function(*(each.detach().clone(memory_format=torch.contiguous_format) for each in tensors)))


def difference(
    original: Original, attempt: Attempt, module: Any, tensors: Sequence[Tensor]
) -> str:
    """What is wrong with the program's results for some inputs; empty: nothing."""
    expected = original(tensors)
    try:
        got = run_flat(module, tensors)
    except Exception as error:
        return f"the program refuses the inputs: {str(error).strip().splitlines()[0]}"
    return different(expected, rebuild(named(attempt.structure, expected), got))


def different(expected: Any, got: Any) -> str:
    return compare(expected, got).problem


def named(structure: Structure, value: Any) -> Structure:
    """The structure with the field names that the tuples of an actual result have."""
    if structure.kind in ("list", "tuple"):
        values = list(value) if isinstance(value, list | tuple) else []
    elif structure.kind == "dict":
        values = list(value.values()) if isinstance(value, dict) else []
    else:
        return structure
    if len(values) != len(structure.items):
        return structure
    items = tuple(map(named, structure.items, values))
    fields = tuple(getattr(value, "_fields", ()))
    names = {"keys": fields, "type_name": "Result"} if fields else {}
    keys = {"keys": structure.keys, "type_name": ""}
    return Structure(structure.kind, items=items, **{**keys, **names})
