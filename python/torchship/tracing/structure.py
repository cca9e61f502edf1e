"""Nested Python values as flat lists of tensors, and as TorchScript types and expressions.

A structure describes a value the way the manifest does: tensors are numbered in the order they are
met, plain values are constants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

Plain = str | int | float | bool
NUMBERS = {"int": int, "float": float, "bool": bool}


class UnsupportedValue(TypeError):
    """A value that cannot cross a model's boundary."""


@dataclass(frozen=True)
class Structure:
    """A value without its tensors.

    `kind` is "tensor", "list", "tuple", "dict", "str", "int", "float", "bool" or "none". A tensor's
    `index` counts the tensors of the whole; a number with an index is computed as a 0-dimensional
    tensor and becomes a Python number at the model's boundary.
    """

    kind: str
    index: int = -1
    value: Any = None
    items: tuple["Structure", ...] = ()
    keys: tuple[Any, ...] = ()  # of a dict; field names of a named tuple
    type_name: str = ""  # of a named tuple

    def tensors(self) -> Iterator["Structure"]:
        """The parts that are computed with tensors, in order."""
        if self.index >= 0:
            yield self
        for item in self.items:
            yield from item.tensors()

    def leaves(self, path: str = "") -> Iterator[tuple[str, "Structure"]]:
        """Every part that is no container, with its path: "output", "boxes.0"."""
        if self.kind not in ("list", "tuple", "dict"):
            yield path, self
        names = self.keys or range(len(self.items))
        for name, item in zip(names, self.items, strict=True):
            yield from item.leaves(f"{path}.{name}" if path else str(name))


@dataclass
class Flattening:
    """Tensors met so far."""

    tensors: list[Tensor] = field(default_factory=list)

    def structure(self, value: Any, where: str) -> Structure:
        if isinstance(value, Tensor):
            self.tensors.append(value)
            return Structure("tensor", index=len(self.tensors) - 1)
        if value is None:
            return Structure("none")
        if isinstance(value, bool | int | float | str):
            return Structure(_plain_kind(value), value=value)
        if isinstance(value, dict):
            return self._dict(value, where)
        if isinstance(value, list | tuple):
            return self._sequence(value, where)
        raise UnsupportedValue(
            f"{where}: a {type(value).__name__} cannot cross a model's boundary; use tensors, "
            "numbers, strings, None, and lists, tuples, named tuples and dicts of them"
        )

    def _dict(self, value: dict[Any, Any], where: str) -> Structure:
        for key in value:
            if not isinstance(key, str | int | float | bool):
                raise UnsupportedValue(f"{where}: dict keys are str or numbers, not {key!r}")
        items = [self.structure(each, f"{where}[{key!r}]") for key, each in value.items()]
        return Structure("dict", items=tuple(items), keys=tuple(value))

    def _sequence(self, value: Sequence[Any], where: str) -> Structure:
        items = tuple(self.structure(each, f"{where}[{i}]") for i, each in enumerate(value))
        if isinstance(value, list):
            return Structure("list", items=items)
        fields = tuple(getattr(value, "_fields", ()))
        if not fields:
            return Structure("tuple", items=items)
        kind = type(value)
        return Structure("tuple", items=items, keys=fields, type_name=kind.__name__)


def _plain_kind(value: Plain) -> str:
    return next(kind for kind in (bool, int, float, str) if isinstance(value, kind)).__name__


def flatten(value: Any, where: str) -> tuple[list[Tensor], Structure]:
    """The tensors of a value in order, and the value without them."""
    flattening = Flattening()
    structure = flattening.structure(value, where)
    return flattening.tensors, structure


def rebuild(structure: Structure, tensors: Sequence[Tensor]) -> Any:
    """The value again, around other tensors. Named tuples become plain ones with fields."""
    if structure.kind in NUMBERS and structure.index >= 0:
        return NUMBERS[structure.kind](tensors[structure.index])
    if structure.kind == "tensor":
        return tensors[structure.index]
    items = [rebuild(item, tensors) for item in structure.items]
    if structure.kind == "list":
        return items
    if structure.kind == "dict":
        return dict(zip(structure.keys, items, strict=True))
    if structure.kind == "tuple":
        return named_tuple(structure)(*items) if structure.keys else tuple(items)
    return structure.value


_named_tuples: dict[tuple[str, tuple[str, ...], tuple[str, ...]], type] = {}


def named_tuple(structure: Structure) -> type:
    """A named tuple class with the structure's fields, typed for TorchScript."""
    types = tuple(script_type(item) for item in structure.items)
    key = (structure.type_name, structure.keys, types)
    if key not in _named_tuples:
        fields = [
            (name, python_type(item))
            for name, item in zip(structure.keys, structure.items, strict=True)
        ]
        made = NamedTuple(structure.type_name, fields)
        # Its name in the archive: no other class may have it, not even the author's own.
        made.__module__ = f"torchship.named_tuples_{len(_named_tuples)}"
        _named_tuples[key] = made
    return _named_tuples[key]


def python_type(structure: Structure) -> Any:
    """The annotation of a value of this structure."""
    if structure.kind == "list":
        return list[_common([python_type(item) for item in structure.items])]
    if structure.kind == "dict":
        key = type(structure.keys[0]) if structure.keys else str
        return dict[key, _common([python_type(item) for item in structure.items])]
    if structure.kind == "tuple":
        if structure.keys:
            return named_tuple(structure)
        return tuple[tuple(python_type(item) for item in structure.items)]
    if structure.kind == "none":
        return torch.Tensor | None
    return {"tensor": Tensor, "str": str, "int": int, "float": float, "bool": bool}[structure.kind]


def _common(types: list[Any]) -> Any:
    if not types:
        return Tensor
    return types[0] if all(each == types[0] for each in types) else Any


def with_live_numbers(eager: Structure, traced: Structure) -> Structure:
    """The eager model's structure around the traced tensors, where numbers that the tracer kept as
    tensors, such as x.shape[0], are computed ones."""
    if traced.kind == "tensor" and eager.kind in NUMBERS:
        return replace(traced, kind=eager.kind)
    if traced.kind != eager.kind or len(traced.items) != len(eager.items):
        return traced
    if not eager.items:
        return traced
    items = map(with_live_numbers, eager.items, traced.items)
    return replace(eager, items=tuple(items))


def with_names(structure: Structure, names: Sequence[str], what: str) -> Structure:
    """A tuple as a named one. Raises ValueError when the names do not fit."""
    if structure.kind != "tuple" or structure.type_name:
        if len(names) == 1:
            return structure  # the manifest names it
        raise ValueError(f"names: {what} gives one value, not {len(names)}: {list(names)}")
    fits = all(name.isidentifier() for name in names) and len(set(names)) == len(names)
    if len(names) != len(structure.items) or not fits:
        raise ValueError(
            f"names: {what} gives {len(structure.items)} values; {list(names)} does not name them"
        )
    return replace(structure, keys=tuple(names), type_name="Outputs")


def script_type(structure: Structure) -> str:
    """The type's name in TorchScript source."""
    if structure.kind in ("list", "dict"):
        inner = [script_type(item) for item in structure.items] or ["Tensor"]
        common = inner[0] if all(each == inner[0] for each in inner) else "Any"
        if structure.kind == "list":
            return f"List[{common}]"
        key = _plain_kind(structure.keys[0]) if structure.keys else "str"
        return f"Dict[{key}, {common}]"
    if structure.kind == "tuple":
        if structure.keys:
            return structure.type_name
        return f"Tuple[{', '.join(script_type(item) for item in structure.items) or '()'}]"
    return {"tensor": "Tensor", "none": "Optional[Tensor]"}.get(structure.kind, structure.kind)


def is_native_input(structure: Structure) -> bool:
    """Whether the tracer takes such a value by itself, without our help."""
    if structure.kind == "tensor":
        return True
    if structure.kind not in ("list", "tuple", "dict") or not structure.items:
        return False
    if structure.type_name or not all(map(is_native_input, structure.items)):
        return False
    if structure.kind == "dict" and not all(isinstance(key, str) for key in structure.keys):
        return False
    return structure.kind == "tuple" or "Any" not in script_type(structure)


def is_native_output(structure: Structure) -> bool:
    """Whether the tracer gives such a value: lists and dicts of tensors only, tuples of those."""
    if structure.kind in ("list", "dict") and any(i.kind != "tensor" for i in structure.items):
        return False
    if structure.kind == "tuple":
        is_plain = bool(structure.items) and not structure.type_name
        return is_plain and all(map(is_native_output, structure.items))
    return is_native_input(structure)
