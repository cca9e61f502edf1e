"""Values and sizes as a manifest, or the file itself, has them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchship import _core
from torchship.archives.calls import Dynamic, Json, Method
from torchship.compiling.bridge import Range
from torchship.errors import SignatureError


def value_of(value: Json, tensors: Mapping[str, Tensor]) -> Any:
    """A value of the manifest around its tensors."""
    kind = value["kind"]
    if kind == "tensor":
        return tensors[value["ref"]]
    if kind in ("list", "tuple"):
        items = [value_of(each, tensors) for each in value["items"]]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {key: value_of(each, tensors) for key, each in value["entries"]}
    if kind == "float":
        return float(value["value"])
    return value.get("value")


def promised_sizes(method: Json) -> Dynamic:
    """The sizes that vary, by tensor, as a method of the manifest has them."""
    ranges = {
        each["name"]: Range(each["name"], max(each["min"], 1), each["max"], each["multiple_of"])
        for each in method["dimensions"]
    }
    shapes = [shape for spec in method["inputs"] for shape in _shapes(spec)]
    return [
        {d: ranges[size] for d, size in enumerate(shape) if isinstance(size, str)}
        for shape in shapes
    ]


def _shapes(spec: Json) -> Iterator[list[Any]]:
    """The shapes of a spec's tensors, in order."""
    if spec["kind"] == "tensor":
        yield spec["shape"]
    for item in spec.get("items", []):
        yield from _shapes(item)
    for _, item in spec.get("entries", []):
        yield from _shapes(item)


def described_sizes(method: _core.MethodInfo) -> Dynamic:
    """The sizes that vary, by tensor, as an exported program says them itself."""
    ranges = [
        Range(each.name, max(each.min, 1), each.max, each.multiple_of) for each in method.dimensions
    ]
    return [
        {d: ranges[size.symbol] for d, size in enumerate(spec.shape) if size.symbol >= 0}
        for each in method.inputs
        for spec in _tensors(each)
    ]


def _tensors(spec: _core.ValueSpec) -> Iterator[_core.ValueSpec]:
    if spec.kind == "tensor" and spec.shape is not None:
        yield spec
    for member in spec.members or []:
        yield from _tensors(member)


def declared_sizes(method: Method, dynamic: Mapping[str, Any]) -> Dynamic:
    """The author's own sizes, `{"x": {0: "batch"}}`, for arguments that are tensors."""
    found: Dynamic = [{} for _ in method.call.tensors]
    for name, entries in dynamic.items():
        structure = dict(zip(method.argument_names, method.call.structures, strict=True)).get(name)
        if structure is None or structure.kind != "tensor":
            raise ValueError(f"dynamic: {method.name} has no input tensor {name!r}")
        for dimension, dim in dict(entries).items():
            least, most = getattr(dim, "min", None), getattr(dim, "max", None)
            label = dim if isinstance(dim, str) else dim.name
            found[structure.index][dimension] = Range(label, least or 1, most, 1)
    return found


def made_up(path: Path, method: _core.MethodInfo, spec: _core.ValueSpec) -> Any:
    """A value for an input of which the file tells enough: sizes, or the only value."""
    kind = str(spec.kind)
    if kind == "tensor" and spec.traced_dtype and spec.traced_shape is not None:
        return _tensor(spec.traced_dtype, spec.traced_shape)
    if kind == "tensor" and spec.dtype and spec.shape is not None:
        return _tensor(spec.dtype, _sizes(method, spec.shape))
    if spec.has_constant:
        return spec.constant
    if spec.members is not None and kind in ("list", "tuple", "dict"):
        items = [made_up(path, method, each) for each in spec.members]
        if kind == "dict":
            return dict(zip(dict_keys(spec), items, strict=True))
        return items if kind == "list" else tuple(items)
    raise SignatureError(
        f"{path}: {method.name}: nothing tells the sizes of input '{spec.name}'",
        "give an example of the method's inputs (-i on the command line)",
    )


def _sizes(method: _core.MethodInfo, shape: Sequence[_core.Dimension]) -> list[int]:
    def size(symbol: int) -> int:
        each = method.dimensions[symbol]
        least = -(-max(each.min, 2) // each.multiple_of) * each.multiple_of
        return least if each.max is None else min(least, each.max)

    return [size(each.symbol) if each.symbol >= 0 else max(each.size, 1) for each in shape]


def _tensor(dtype: Any, shape: Sequence[int]) -> Tensor:
    named = getattr(torch, str(dtype).removeprefix("torch."))
    if not named.is_floating_point:
        return torch.zeros(shape, dtype=named)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(named)


def dict_keys(spec: _core.ValueSpec) -> list[Any]:
    """The keys of a dict, which its members have as text."""
    kind = str(spec.items[0].kind)
    read = {"int": int, "float": float, "bool": lambda text: text == "True"}.get(kind, str)
    return [read(each.name) for each in spec.members or []]
