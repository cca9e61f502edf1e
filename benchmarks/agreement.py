"""How far results are apart: numbers for values of every kind that a model returns."""

import math
from typing import Any

import torch
from torch import Tensor


def numbers_of(tensor: Tensor) -> Tensor:
    plain = tensor.dequantize() if tensor.is_quantized else tensor
    return plain.detach().to(torch.complex128 if plain.is_complex() else torch.float64)


def tensors_apart(found: Tensor, expected: Tensor) -> float:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return math.inf
    a, b = numbers_of(found), numbers_of(expected)
    same = (a == b) | (a.isnan() & b.isnan())
    if bool(same.all()):
        return 0.0
    largest = float(b[b.isfinite()].abs().max()) if bool(b.isfinite().any()) else 0.0
    difference = float((a - b)[~same].abs().max())
    return math.inf if math.isnan(difference) else difference / max(largest, 1e-30)


def apart(found: Any, expected: Any) -> float:
    """The largest difference, relative to the largest value of its tensor; infinite where values
    are of other kinds, sizes or dtypes."""
    if expected is ...:  # Nobody knows what it should be.
        return 0.0
    if isinstance(expected, Tensor):
        return tensors_apart(found, expected) if isinstance(found, Tensor) else math.inf
    if isinstance(expected, dict):
        named = {str(key): item for key, item in found.items()} if isinstance(found, dict) else {}
        wanted = {str(key): item for key, item in expected.items()}
        if named.keys() != wanted.keys():
            return math.inf
        return max((apart(named[key], item) for key, item in wanted.items()), default=0.0)
    if isinstance(expected, list | tuple):
        if not isinstance(found, list | tuple) or len(found) != len(expected):
            return math.inf
        pairs = zip(found, expected, strict=True)
        return max((apart(one, other) for one, other in pairs), default=0.0)
    if isinstance(expected, float) and isinstance(found, float):
        return tensors_apart(torch.tensor(found), torch.tensor(expected))
    return 0.0 if found == expected else math.inf
