"""Numbers that a trace keeps as tensors: sizes, and what is computed of them.

A trace turns every size into a 0-dimensional tensor and back. As tensors they would be unknown
numbers to torch.export, so that it could relate no size to another; here they stay numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)


@dataclass(frozen=True)
class Number:
    """A 0-dimensional tensor whose value is known when the graph is made.

    `value` is a real tensor, a symbolic integer to be divided by `denominator`, or a symbolic
    bool.
    """

    value: Any
    dtype: torch.dtype
    denominator: int = 1

    @property
    def is_symbolic(self) -> bool:
        return isinstance(self.value, SYMBOLIC)

    def plain(self) -> Any:
        """The number as Python has it."""
        if not self.is_symbolic:
            return self.value.item()
        if self.dtype.is_floating_point:
            return torch.sym_float(self.value) / self.denominator
        return self.value

    def tensor(self) -> Tensor:
        plain = self.plain()
        return torch.ops.aten.scalar_tensor.default(plain, dtype=self.dtype, device="cpu")


def number(value: Any) -> Number | Tensor:
    """What prim::NumToTensor gives."""
    if isinstance(value, torch.SymInt | torch.SymBool):
        return Number(value, torch.int64 if isinstance(value, torch.SymInt) else torch.bool)
    if isinstance(value, torch.SymFloat):
        return torch.ops.aten.scalar_tensor.default(value, dtype=torch.float64, device="cpu")
    with _disable_current_modes():
        return known(torch.tensor(value, dtype=_dtype_of(value)))


def known(tensor: Tensor) -> Number:
    return Number(tensor, tensor.dtype)


def _dtype_of(value: Any) -> torch.dtype:
    if isinstance(value, bool):
        return torch.bool
    if isinstance(value, complex):
        return torch.complex128
    return torch.int64 if isinstance(value, int) else torch.float64


def compute(operator: Callable[..., Any], name: str, arguments: dict[str, Any]) -> Any:
    """The operator on Numbers and plain values; NotImplemented where that takes tensors.

    Real values are computed by the operator itself, beside whatever is being traced.
    """
    values = list(arguments.values())
    if any(isinstance(each, Number) and each.is_symbolic for each in values):
        return _symbolic(name, arguments)
    with _disable_current_modes():
        plain = {
            key: each.value if isinstance(each, Number) else each for key, each in arguments.items()
        }
        result = operator(**plain)
        return known(result) if isinstance(result, Tensor) and not result.dim() else NotImplemented


def _symbolic(name: str, arguments: dict[str, Any]) -> Any:
    first = next(iter(arguments.values()))
    if name in ("detach", "clone", "contiguous", "alias", "lift_fresh", "cpu"):
        return first
    if name == "to":
        return _converted(first, arguments.get("dtype"))
    if name in ("floor", "ceil", "trunc") and isinstance(first, Number):
        return _whole(first, name)
    if name == "neg" and isinstance(first.value, torch.SymInt):
        return Number(-first.value, first.dtype, first.denominator)
    other = arguments.get("other")
    if other is None or arguments.get("alpha", 1) != 1:
        return NotImplemented
    pair = _common(first, other)
    if pair is None:
        return NotImplemented
    return _binary(name, *pair, _result_type(first, other), arguments.get("rounding_mode"))


def _converted(value: Number, dtype: Any) -> Any:
    if dtype is None or dtype == value.dtype:
        return value
    if dtype in (torch.int64, torch.int32):
        return Number(_whole(value, "trunc").value, dtype)
    if dtype in (torch.float32, torch.float64):
        return Number(value.value, dtype, value.denominator)
    return NotImplemented


def _whole(value: Number, way: str) -> Number:
    if value.denominator == 1:
        return value
    if way == "ceil":
        return Number(-(-value.value // value.denominator), value.dtype)
    # Below 0, where sizes never are, trunc is not floor.
    if way == "trunc":
        torch._check(value.value >= 0)
    return Number(value.value // value.denominator, value.dtype)


_Ratio = tuple[Any, int]
_FEW_BITS = 256


def _ratio(value: Any) -> _Ratio | None:
    """A number as numerator and denominator, where float arithmetic on it would be exact.

    Sizes times a factor of few bits are: they have less than the 24 bits of a float32.
    """
    if isinstance(value, Number):
        if value.is_symbolic:
            pair = value.value, value.denominator
            return pair if isinstance(value.value, torch.SymInt) else None
        value = value.value.item()
    if isinstance(value, torch.SymInt):
        return value, 1
    if isinstance(value, bool | complex | torch.SymFloat | torch.SymBool | Tensor):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    exact = Fraction(value)
    return (exact.numerator, exact.denominator) if exact.denominator <= _FEW_BITS else None


def _common(first: Any, other: Any) -> tuple[_Ratio, _Ratio] | None:
    pair = _ratio(first), _ratio(other)
    return None if pair[0] is None or pair[1] is None else pair


def _result_type(first: Any, other: Any) -> torch.dtype:
    def sample(value: Any) -> Any:
        if isinstance(value, Number):
            return torch.empty((), dtype=value.dtype)
        return 1 if isinstance(value, int | torch.SymInt) else 1.0

    with _disable_current_modes():
        return torch.result_type(sample(first), sample(other))


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def _binary(name: str, a: _Ratio, b: _Ratio, dtype: torch.dtype, rounding: str | None) -> Any:
    if name in _COMPARISONS:
        return Number(_COMPARISONS[name](a[0] * b[1], b[0] * a[1]), torch.bool)
    if name in ("add", "sub"):
        sign = 1 if name == "add" else -1
        return Number(a[0] * b[1] + sign * b[0] * a[1], dtype, a[1] * b[1])
    if name == "mul":
        return Number(a[0] * b[0], dtype, a[1] * b[1])
    if name == "remainder" and a[1] == b[1] == 1:
        return Number(a[0] % b[0], dtype)
    if name == "floor_divide" or (name == "div" and rounding in ("floor", "trunc")):
        if rounding == "trunc":
            torch._check(a[0] >= 0)
        return Number((a[0] * b[1]) // (b[0] * a[1]), dtype)
    if name == "div" and isinstance(b[0], int) and b[0] > 0:
        is_float = dtype.is_floating_point
        return Number(a[0] * b[1], dtype if is_float else torch.float32, a[1] * b[0])
    return NotImplemented
