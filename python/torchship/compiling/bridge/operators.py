"""Calling an operator by its schema, with the values that TorchScript has for it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.code import Step
from torchship.compiling.bridge.numbers import Number, compute

_DTYPE_NAMES = {
    **dict(enumerate("uint8 int8 int16 int32 int64 float16 float32 float64".split())),
    8: "complex32", 9: "complex64", 10: "complex128", 11: "bool", 12: "qint8", 13: "quint8",
    14: "qint32", 15: "bfloat16", 16: "quint4x2", 17: "quint2x4", 23: "float8_e5m2",
    24: "float8_e4m3fn", 25: "float8_e5m2fnuz", 26: "float8_e4m3fnuz", 27: "uint16",
    28: "uint32", 29: "uint64",
}  # fmt: skip
DTYPES = {code: getattr(torch, name) for code, name in _DTYPE_NAMES.items()}
DTYPE_CODES = {dtype: code for code, dtype in DTYPES.items()}
_LAYOUTS = {0: torch.strided, 1: torch.sparse_coo, 2: torch.sparse_csr, 3: torch._mkldnn}
LAYOUT_CODES = {layout: code for code, layout in _LAYOUTS.items()}
_FORMATS = {
    0: torch.contiguous_format,
    1: torch.preserve_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
}


@dataclass(frozen=True)
class Truth:
    """A bool that depends on data: a 0-dimensional tensor of it."""

    value: Tensor


class UnknownOperator(Exception):
    """There is none of this name here."""


Written = Callable[[Step, Tensor], None]
"""Told of each tensor that an operator will change; raises where that must not be."""


def call(step: Step, values: list[Any], written: Written) -> Any:
    """Call the operator of a node. Raises UnknownOperator, and whatever the operator raises."""
    operator = overload(step)
    arguments = step.schema.arguments
    named = dict(zip((each.name for each in arguments), values, strict=False))
    given = {each.name: converted(named[each.name], each) for each in arguments}
    if _only_numbers(given) and not operator._schema.is_mutable:
        result = compute(operator, operator._opname, given)
        if result is not NotImplemented:
            return result
    given = {name: materialised(value) for name, value in given.items()}
    for each in arguments:
        if each.alias_info is not None and each.alias_info.is_write:
            for tensor in tensors_of(given[each.name]):
                written(step, tensor)
    _tell_of_statistics(step, given, written)
    positional = [given[each.name] for each in arguments if not each.kwarg_only]
    named = {each.name: given[each.name] for each in arguments if each.kwarg_only}
    with onednn(step.kind == "aten::lstm"):
        return operator(*positional, **named)


def _tell_of_statistics(step: Step, given: dict[str, Any], written: Written) -> None:
    """Normalisations write statistics while they train, which their schemas do not say."""
    trains = any(given.get(name) is True for name in ("training", "train", "use_input_stats"))
    for name in ("running_mean", "running_var"):
        if trains and isinstance(given.get(name), Tensor):
            written(step, given[name])


@contextlib.contextmanager
def onednn(wanted: bool) -> Iterator[None]:
    """torch.export switches oneDNN off, without which an LSTM is unrolled over its time."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(before or wanted)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def overload(step: Step) -> torch._ops.OpOverload:
    if not step.is_dispatched:
        raise UnknownOperator(step.kind)
    namespace, _, name = step.kind.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name)
    return getattr(packet, step.schema.overload_name or "default")


def converted(value: Any, argument: Any) -> Any:
    """TorchScript's codes as torch's own values, devices as the only one that is used here."""
    kind = str(argument.real_type)
    if value is None:
        return None
    if "ScalarType" in kind:
        return DTYPES[value] if isinstance(value, int) else value
    if "MemoryFormat" in kind:
        return _FORMATS[value] if isinstance(value, int) else value
    if "Layout" in kind:
        return _LAYOUTS[value] if isinstance(value, int) else value
    if "Device" in kind:
        return torch.device("cpu")
    if argument.name == "pin_memory":
        return None
    if "Tensor" in kind or "Any" in kind:
        return value
    return _plain(value)


def _plain(value: Any) -> Any:
    """Where the operator takes a number or a list of them."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Number):
        return value.plain()
    if isinstance(value, Truth):
        return value.value.item()
    return value


def materialised(value: Any) -> Any:
    """Numbers as tensors, also in lists."""
    if isinstance(value, list | tuple):
        return type(value)(materialised(each) for each in value)
    if isinstance(value, Number):
        return value.tensor()
    return value.value if isinstance(value, Truth) else value


def _only_numbers(given: dict[str, Any]) -> bool:
    """Whether there are Numbers, and nothing that is a tensor or that holds one."""
    found = any(isinstance(each, Number) for each in given.values())
    return found and not any(True for value in given.values() for _ in tensors_of(value))


def tensors_of(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Truth):
        yield value.value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors_of(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors_of(each)
