"""Operators that the compiler makes of others, where the function it would call is slow."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Near zero the quotient below has no digits left: x + x^3 P(x^2), Cephes' tanhf.c by S. L. Moshier.
_NEAR = 0.625
_COEFFICIENTS = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)


def tanh(x: Tensor) -> Tensor | Any:
    """tanh of float32 from exp, right to 2 units in the last place, at all sizes.

    LibTorch's own (SLEEF's, to 1 unit) takes twenty times as long as its exp. PyTorch's option
    `use_decompose_tanh` loses the small ones: github.com/pytorch/pytorch/issues/148241.
    """
    if x.dtype != torch.float32:
        return NotImplemented
    square = x * x
    series = torch.full_like(x, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        series = series * square + coefficient
    size = x.abs()
    far = 1.0 - 2.0 / ((size * 2.0).exp() + 1.0)
    return torch.copysign(torch.where(size < _NEAR, series * square * size + size, far), x)


_KNOWN = {"tanh": (torch.ops.aten.tanh.default, tanh)}


def decompose(names: Sequence[str]) -> None:
    """Have the compiler of this process take these."""
    from torch._inductor.decomposition import decompositions

    for name in names:
        operator, function = _KNOWN[name]
        decompositions[operator] = function
