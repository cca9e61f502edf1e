"""Exporting the module that was traced, instead of the archive's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from torchship.archives.calls import Call, Dynamic, Json
from torchship.compiling.bridge import Range
from torchship.tracing.structure import Structure, flatten


@dataclass(frozen=True)
class EagerExport:
    """Like bridge.Exported."""

    program: ExportedProgram
    output: Json
    ranges: dict[str, Range | int]


class _Flat(nn.Module):
    """A method as a function from flat tensors to flat tensors."""

    def __init__(self, module: nn.Module, method: str, call: Call) -> None:
        super().__init__()
        self.module = module
        self._method = method
        self._call = call
        self.output: Structure | None = None

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        call = Call(list(tensors), self._call.structures)
        method = self.module if self._method == "forward" else getattr(self.module, self._method)
        results, self.output = flatten(method(*call.inputs), f"the result of {self._method}")
        return tuple(results)


def export_eager(module: nn.Module, method: str, call: Call, dynamic: Dynamic) -> EagerExport:
    """Raises what torch.export raises."""
    dims = {
        each.name: Dim(each.name, min=each.min, max=each.max)
        for entry in dynamic
        for each in entry.values()
    }
    shapes = [{d: dims[each.name] for d, each in entry.items()} for entry in dynamic]
    flat = _Flat(module.eval(), method, call)
    with torch.no_grad():
        program = torch.export.export(
            flat, tuple(call.tensors), dynamic_shapes=(tuple(shapes),), strict=False
        )
    ranges = {each.name: each for entry in dynamic for each in entry.values()}
    assert flat.output is not None
    return EagerExport(program, _value(flat.output), dict(ranges))


def _value(structure: Structure) -> Json:
    if structure.kind == "tensor":
        return {"kind": "tensor", "ref": structure.index}
    if structure.kind in ("list", "tuple"):
        names: dict[str, Any] = {"names": list(structure.keys)} if structure.keys else {}
        return {"kind": structure.kind, "items": _values(structure.items), **names}
    if structure.kind == "dict":
        pairs = zip(structure.keys, _values(structure.items), strict=True)
        return {"kind": "dict", "entries": [list(pair) for pair in pairs]}
    value = {} if structure.value is None else {"value": structure.value}
    return {"kind": structure.kind, **value}


def _values(items: Sequence[Structure]) -> list[Json]:
    return [_value(each) for each in items]
