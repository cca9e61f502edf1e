"""TorchScript's operators on numbers, strings, lists and dicts, which are no operators of ATen.

Values are Python's own, or symbolic where sizes vary; lists and dicts are shared as they are
there.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import torch

_INTEGERS = (int, torch.SymInt)


def _divide_to_zero(a: Any, b: Any) -> Any:
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def _power(a: Any, b: Any) -> Any:
    """As TorchScript has it for a float result; its overload for integers is apart."""
    return float(a) ** b if isinstance(a, int) else a**b


def _to_int(value: Any) -> Any:
    return int(value) if isinstance(value, str) else torch.sym_int(value)


def _to_float(value: Any) -> Any:
    return float(value) if isinstance(value, str) else torch.sym_float(value)


def _to_bool(value: Any) -> Any:
    if isinstance(value, torch.SymBool | bool):
        return value
    return value != 0


def _is(a: Any, b: Any) -> bool:
    if a is None or b is None or not isinstance(a, bool | int | float | str):
        return a is b
    return type(a) is type(b) and a == b


def _set_item(container: Any, key: Any, value: Any) -> Any:
    container[key] = value
    return container


def _delete(container: Any, key: Any) -> None:
    del container[key]


def _pop(container: Any, *key: Any) -> Any:
    return container.pop(*key)


def _list_times(values: list[Any], count: int) -> list[Any]:
    return values * int(count) if isinstance(values, list) else count * values


def _extend(values: list[Any], other: list[Any]) -> list[Any]:
    values.extend(other)
    return values


def _append(values: list[Any], value: Any) -> list[Any]:
    values.append(value)
    return values


def _remainder(a: Any, b: Any) -> Any:
    return a % b


def _slice(values: Any, start: Any, stop: Any, step: Any) -> Any:
    return values[start:stop:step]


def _range_length(low: Any, high: Any, step: Any) -> Any:
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int):
        return len(range(low, high, step))
    length = (high - low + step - 1) // step if step > 0 else (low - high - step - 1) // -step
    return torch.sym_max(length, 0)


def _extreme(choose: Callable[..., Any], symbolic: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        if len(values) == 1:
            values = tuple(values[0])
        if any(isinstance(each, torch.SymInt | torch.SymFloat) for each in values):
            result = values[0]
            for each in values[1:]:
                result = symbolic(result, each)
            return result
        return choose(values)

    return extreme


def _floats(function: Callable[..., Any], symbolic: str = "") -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        if any(isinstance(each, torch.SymInt | torch.SymFloat) for each in values):
            own = getattr(torch, symbolic or f"_sym_{function.__name__}", None)
            if own is None:
                values = tuple(map(float, values))
                return function(*values)
            return own(*map(torch.sym_float, values))
        return function(*values)

    return apply


def _rounding(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, _INTEGERS) else function(value)


def _format(text: str, *values: Any) -> str:
    return text.format(*values)


def _infer_size(a: list[Any], b: list[Any]) -> list[Any]:
    return list(torch.broadcast_shapes(a, b))


OPERATORS: dict[str, Callable[..., Any]] = {
    "aten::Bool": _to_bool,
    "aten::Complex": complex,
    "aten::Delete": _delete,
    "aten::Float": _to_float,
    "aten::Int": _to_int,
    "aten::Size": list,
    "aten::__and__": operator.and_,
    "aten::__contains__": lambda container, item: item in container,
    "aten::__derive_index": lambda index, start, step: start + index * step,
    "aten::__getitem__": operator.getitem,
    "aten::__is__": _is,
    "aten::__isnot__": lambda a, b: not _is(a, b),
    "aten::__lshift__": operator.lshift,
    "aten::__not__": torch.sym_not,
    "aten::__or__": operator.or_,
    "aten::__range_length": _range_length,
    "aten::__round_to_zero_floordiv": _divide_to_zero,
    "aten::__rshift__": operator.rshift,
    "aten::__xor__": operator.xor,
    "aten::_infer_size": _infer_size,
    "aten::_set_item": _set_item,
    "aten::add": operator.add,
    "aten::add_": _extend,
    "aten::all": all,
    "aten::any": any,
    "aten::append": _append,
    "aten::broadcast_shapes": _infer_size,
    "aten::ceil": _rounding(math.ceil),
    "aten::clear": lambda container: container.clear(),
    "aten::copy": lambda container: container.copy(),
    "aten::count": lambda container, item, *rest: container.count(item, *rest),
    "aten::dict": lambda values=(): dict(values),
    "aten::div": lambda a, b: a / b,
    "aten::eq": operator.eq,
    "aten::exp": _floats(math.exp),
    "aten::extend": lambda values, other: values.extend(other),
    "aten::fabs": abs,
    "aten::floor": _rounding(math.floor),
    "aten::floordiv": operator.floordiv,
    "aten::format": _format,
    "aten::ge": operator.ge,
    "aten::get": lambda container, key, default=None: container.get(key, default),
    "aten::gt": operator.gt,
    "aten::insert": lambda values, index, value: values.insert(index, value),
    "aten::items": lambda container: list(container.items()),
    "aten::join": lambda text, values: text.join(values),
    "aten::keys": lambda container: list(container.keys()),
    "aten::le": operator.le,
    "aten::len": len,
    "aten::list": list,
    "aten::log": _floats(math.log),
    "aten::log2": _floats(math.log2),
    "aten::lt": operator.lt,
    "aten::mul": lambda a, b: _list_times(a, b) if list in (type(a), type(b)) else a * b,
    "aten::ne": operator.ne,
    "aten::neg": operator.neg,
    "aten::pop": _pop,
    "aten::popitem": lambda container: container.popitem(),
    "aten::pow": _power,
    "aten::remainder": _remainder,
    "aten::remove": lambda values, value: values.remove(value),
    "aten::reverse": lambda values: values.reverse(),
    "aten::round": lambda value: float(round(value)),
    "aten::select": operator.getitem,
    "aten::setdefault": lambda container, key, value: container.setdefault(key, value),
    "aten::slice": _slice,
    "aten::sort": lambda values, reverse=False: values.sort(reverse=reverse),
    "aten::sorted": lambda values, reverse=False: sorted(values, reverse=reverse),
    "aten::sqrt": _floats(math.sqrt),
    "aten::str": str,
    "aten::sub": operator.sub,
    "aten::sum": sum,
    "aten::update": lambda container, other: container.update(other),
    "aten::values": lambda container: list(container.values()),
    "prim::abs": abs,
    "prim::max": _extreme(max, torch.sym_max),
    "prim::min": _extreme(min, torch.sym_min),
    "prim::rangelist": lambda count: list(range(int(count))),
}
"""By name. What is missing here is asked of TorchScript itself, which has no symbolic numbers."""

INTEGER_POWER = "aten::pow.int_to_int"

CHANGING = frozenset(
    f"aten::{name}"
    for name in (
        "Delete", "_set_item", "add_", "append", "clear", "extend", "insert", "mul_", "pop",
        "popitem", "remove", "reverse", "setdefault", "sort", "update",
    )
)  # fmt: skip
"""Those that change their first argument."""
