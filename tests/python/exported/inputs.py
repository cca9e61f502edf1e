"""Small tensors of every dtype; what they hold depends on the seed of the case."""

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def floats(
    *shape: int, low: float = -2.0, high: float = 2.0, dtype: torch.dtype = torch.float32
) -> Tensor:
    return (torch.rand(shape, dtype=torch.float64) * (high - low) + low).to(dtype)


def positives(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return floats(*shape, low=0.1, high=3.0, dtype=dtype)


def ints(*shape: int, low: int = 0, high: int = 10, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.randint(low, high, shape, dtype=torch.int64).to(dtype)


def bools(*shape: int) -> Tensor:
    return torch.rand(shape) < 0.5


def complexes(*shape: int, dtype: torch.dtype = torch.complex64) -> Tensor:
    return torch.complex(floats(*shape), floats(*shape)).to(dtype)


def numbers(*shape: int, dtype: torch.dtype) -> Tensor:
    """Of any dtype: what holds for floats and integers alike."""
    if dtype == torch.bool:
        return bools(*shape)
    if dtype.is_complex:
        return complexes(*shape, dtype=dtype)
    if dtype.is_floating_point:
        return floats(*shape, dtype=dtype)
    return ints(*shape, low=0 if dtype == torch.uint8 else -9, dtype=dtype)


def strange() -> Tensor:
    """Numbers that are easily lost: NaN, infinities, zeros of both signs, a denormal."""
    return torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-40, 3e38, 0.5])


def symmetric(n: int) -> Tensor:
    """Symmetric and positive definite."""
    made = floats(n, n, dtype=torch.float64)
    return (made @ made.T + n * torch.eye(n, dtype=torch.float64)).float()
