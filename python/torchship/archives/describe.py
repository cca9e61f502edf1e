"""What torchship.info says of a method, as a manifest says it (docs/archive-format.md)."""

import math
from typing import Any

from torchship import _core
from torchship.archives.calls import Json
from torchship.archives.values import dict_keys


def method_json(method: _core.MethodInfo) -> Json:
    names = [each.name for each in method.dimensions]
    return {
        "name": method.name,
        "inputs": [_input(each, names) for each in method.inputs],
        "output": _spec(method.output, names),
        "dimensions": [_dimension(each) for each in method.dimensions],
    }


def _dimension(each: _core.DimensionRange) -> Json:
    return {
        "name": each.name,
        "min": each.min,
        "max": each.max,
        "multiple_of": each.multiple_of,
        "tried": list(each.tried),
    }


def _input(spec: _core.ValueSpec, names: list[str]) -> Json:
    # What has one value may be left out.
    optional = {"optional": True} if spec.has_default or spec.optional else {}
    return {"name": spec.name, **_spec(spec, names), **optional}


def _spec(spec: _core.ValueSpec, names: list[str]) -> Json:
    kind = str(spec.kind)
    if kind == "tensor" and spec.dtype and spec.shape is not None:
        shape = [_size(each, names) for each in spec.shape]
        return {"kind": kind, "dtype": str(spec.dtype).removeprefix("torch."), "shape": shape}
    if kind in ("list", "tuple", "dict") and spec.members is not None:
        return _container(kind, spec, names)
    if kind in ("str", "int", "float", "bool"):
        return {"kind": kind, **({"value": _plain(spec.constant)} if spec.has_constant else {})}
    return {"kind": "none" if kind == "None" else "any"}


def _container(kind: str, spec: _core.ValueSpec, names: list[str]) -> Json:
    members = spec.members or []
    parts = [_spec(each, names) for each in members]
    if kind == "dict":
        entries = zip(dict_keys(spec), parts, strict=True)
        return {"kind": kind, "entries": [list(each) for each in entries]}
    fields = [each.name for each in members] if kind == "tuple" else []
    named = {"names": fields} if fields and all(fields) else {}
    return {"kind": kind, "items": parts, **named}


def _size(size: _core.Dimension, names: list[str]) -> int | str | None:
    if size.symbol >= 0:
        return names[size.symbol]
    return size.size if size.size >= 0 else None


def _plain(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)
