"""A result beside the one that was expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TOLERANCES = {
    torch.float64: (1e-7, 1e-6),
    torch.complex128: (1e-7, 1e-6),
    torch.float32: (1e-5, 1e-4),
    torch.complex64: (1e-5, 1e-4),
    torch.float16: (1e-3, 1e-2),
    torch.bfloat16: (1e-2, 5e-2),
}
"""Absolute and relative, as docs/archive-format.md has them."""


@dataclass(frozen=True)
class Difference:
    """What is wrong with a result, and the largest error where that can be said."""

    problem: str  # empty: within the tolerance
    largest: float = 0.0


def compare(
    expected: Any, got: Any, name: str = "the result", spec: Mapping[str, Any] | None = None
) -> Difference:
    """The first leaf that differs, else the largest error of all leaves.

    `spec` is the value's in a manifest (docs/archive-format.md), where outputs have a tolerance.
    """
    if isinstance(expected, Tensor) or isinstance(got, Tensor):
        return _compare_tensors(expected, got, name, (spec or {}).get("tolerance"))
    if isinstance(expected, dict):
        if not isinstance(got, dict) or list(expected) != list(got):
            return _other(expected, got, name)
        places = [(expected[key], got[key], f"{name}[{key!r}]") for key in expected]
    elif isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple) or len(expected) != len(got):
            return _other(expected, got, name)
        items = zip(expected, got, strict=True)
        places = [(a, b, f"{name}[{i}]") for i, (a, b) in enumerate(items)]
    elif isinstance(expected, float) and isinstance(got, float):
        options = {"dtype": torch.float64}
        return _compare_tensors(
            torch.tensor(expected, **options), torch.tensor(got, **options), name
        )
    else:
        return Difference("") if expected == got else _other(expected, got, name)
    largest = 0.0
    for place, inner in zip(places, _members(spec, len(places)), strict=True):
        difference = compare(*place, inner)
        largest = max(largest, difference.largest)
        if difference.problem:
            return Difference(difference.problem, largest)
    return Difference("", largest)


def _members(spec: Mapping[str, Any] | None, count: int) -> Sequence[Any]:
    """The specs of a container's members, where they are known."""
    known = spec or {}
    members = [*known.get("items", []), *(each for _, each in known.get("entries", []))]
    return members if len(members) == count else [None] * count


def _other(expected: Any, got: Any, name: str) -> Difference:
    return Difference(f"{name} is {_describe(got)}, the model gives {_describe(expected)}")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)


def _compare_tensors(
    expected: Any, got: Any, name: str, tolerance: Mapping[str, float] | None = None
) -> Difference:
    if not (isinstance(expected, Tensor) and isinstance(got, Tensor)):
        return _other(expected, got, name)
    if expected.dtype != got.dtype or expected.shape != got.shape:
        return _other(expected, got, name)
    if expected.is_quantized:
        expected, got = expected.dequantize(), got.dequantize()
    a, b = expected.detach().cpu().to_dense(), got.detach().cpu().to_dense()
    if not a.is_floating_point() and not a.is_complex():
        wrong = int((a != b).sum())
        return Difference(f"{wrong} of {a.numel()} elements of {name} differ" if wrong else "")
    absolute, relative = TOLERANCES.get(a.dtype, (1e-2, 1e-1))
    if tolerance is not None:
        absolute, relative = tolerance["absolute"], tolerance["relative"]
    return _compare_reals(a, b, name, absolute, relative)


def _compare_reals(
    a: Tensor, b: Tensor, name: str, absolute: float, relative: float
) -> Difference:
    wide = torch.complex128 if a.is_complex() else torch.float64
    a, b = a.to(wide), b.to(wide)
    same = (a == b) | (a.isnan() & b.isnan())
    error = torch.where(same, torch.zeros_like(a.abs()), (a - b).abs())
    error = torch.where(error.isnan(), torch.full_like(error, torch.inf), error)
    largest = float(error.max()) if error.numel() else 0.0
    bound = absolute + relative * torch.where(a.isfinite(), a.abs(), torch.zeros_like(error))
    if bool((error > bound).any()):
        return Difference(f"{name} is off by up to {largest:.3g}", largest)
    return Difference("", largest)
