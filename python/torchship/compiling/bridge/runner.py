"""The module that torch.export traces: flat tensors in, flat tensors out."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.interpreter import Interpreter
from torchship.compiling.bridge.numbers import SYMBOLIC, Number
from torchship.compiling.bridge.operators import Truth
from torchship.compiling.bridge.prims import Instance
from torchship.compiling.bridge.problems import BridgeError
from torchship.compiling.bridge.weights import Weights
from torchship.tracing.structure import Structure, flatten, rebuild


class Arguments:
    """What a method is called with, as flat tensors and the structure around them."""

    def __init__(self, function: torch._C.FunctionSchema, values: Sequence[Any]) -> None:
        self.arguments = function.arguments[1:]
        if len(values) != len(self.arguments):
            raise BridgeError(
                f"{function.name} takes {len(self.arguments)} values, {len(values)} are given",
                f"give one value for each of: {', '.join(a.name for a in self.arguments)}",
            )
        self.tensors, self._structure = flatten(list(values), function.name)
        items = zip(self._structure.items, self.arguments, strict=True)
        # As TorchScript takes them, a whole number is a float where a float is wanted.
        items = [
            Structure("float", value=float(item.value))
            if item.kind == "int" and str(each.type) in ("float", "Optional[float]")
            else item
            for item, each in items
        ]
        self._structure = replace(self._structure, items=tuple(items))

    def around(self, tensors: Sequence[Tensor]) -> list[Any]:
        """The arguments with other tensors."""
        return rebuild(self._structure, tensors)

    def names(self) -> list[str]:
        """One name for each tensor, fit for a parameter of a function."""
        found: list[str] = []
        for item, argument in zip(self._structure.items, self.arguments, strict=True):
            paths = [path for path, leaf in item.leaves(argument.name) if leaf.index >= 0]
            found += [path.replace(".", "_") for path in paths]
        fits = all(name.isidentifier() for name in found) and len(set(found)) == len(found)
        return found if fits else [f"input_{i}" for i in range(len(found))]


class Runner:
    """Runs a method by its graph; `module` is what torch.export traces."""

    def __init__(self, script: torch.jit.ScriptModule, method: str, values: Sequence[Any]) -> None:
        self.arguments = Arguments(script._c._get_method(method).schema, values)
        self._weights = Weights(script)
        self._method = self._weights.method(method)
        self.structure = Structure("none")  # of the last result
        self.changes: list[int] = []  # the tensors given that were changed in place
        self.module = self._weights.root
        self.module.forward = self._forward()
        self.module.eval()

    def _forward(self) -> Any:
        def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
            values = self.arguments.around(tensors)
            storages = [each.untyped_storage()._cdata for each in tensors]
            interpreter = Interpreter(self._weights)
            result = interpreter.run(self._method, values)
            written = [i for i, each in enumerate(storages) if each in interpreter.written]
            self.changes = sorted({*self.changes, *written})
            found: list[Tensor] = []
            self.structure = _structure(result, found)
            return tuple(found)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = self.arguments.names()
        forward.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])
        return forward

    def names_devices(self) -> bool:
        """Whether the method names a device other than the CPU, and so may not run as it is."""
        return self._weights.names_devices

    def by_itself(self, tensors: Sequence[Tensor]) -> Any:
        """The method's result, by its graph run here and now."""
        found = self.module.forward(*tensors)
        return rebuild(self.structure, found)


def _structure(value: Any, tensors: list[Tensor]) -> Structure:
    """A result's structure; tensors, and numbers that are computed, are appended."""
    kind, tensor = _computed(value)
    if tensor is not None:
        tensors.append(tensor)
        return Structure(kind, index=len(tensors) - 1)
    if isinstance(value, list | tuple):
        items = tuple(_structure(each, tensors) for each in value)
        return Structure("list" if isinstance(value, list) else "tuple", items=items)
    if isinstance(value, dict):
        items = tuple(_structure(each, tensors) for each in value.values())
        return Structure("dict", items=items, keys=tuple(value))
    if value is None:
        return Structure("none")
    if isinstance(value, bool | int | float | str):
        return Structure(type(value).__name__, value=value)
    what = f"object of {value.kind}" if isinstance(value, Instance) else type(value).__name__
    raise BridgeError(
        f"the method gives a {what}, which no exported program can give",
        "results are tensors, numbers, strings, None, and lists, tuples and dicts of them",
    )


def _computed(value: Any) -> tuple[str, Tensor | None]:
    if isinstance(value, Tensor):
        return "tensor", value
    if isinstance(value, Number):
        return "tensor", value.tensor()
    if isinstance(value, Truth):
        return "bool", value.value
    if isinstance(value, SYMBOLIC):
        kind = {torch.SymInt: "int", torch.SymFloat: "float", torch.SymBool: "bool"}[type(value)]
        plain = torch.sym_ite(value, 1, 0) if kind == "bool" else value
        dtype = torch.float64 if kind == "float" else torch.int64
        made = torch.ops.aten.scalar_tensor.default(plain, dtype=dtype, device="cpu")
        return kind, made != 0 if kind == "bool" else made
    return "", None
