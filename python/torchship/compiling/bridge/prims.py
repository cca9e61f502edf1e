"""TorchScript's own nodes: containers, types, objects and what controls a run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from torchship.compiling.bridge.code import Step, code_of
from torchship.compiling.bridge.numbers import Number, number
from torchship.compiling.bridge.operators import Truth
from torchship.compiling.bridge.problems import refused
from torchship.compiling.bridge.special import to_list

if TYPE_CHECKING:
    from torchship.compiling.bridge.interpreter import Interpreter

Control = Callable[["Interpreter", Step, list[Any]], list[Any]]


@dataclass(eq=False)
class Instance:
    """An object of a class that the archive defines."""

    kind: Any  # torch._C.ClassType
    attributes: dict[str, Any] = field(default_factory=dict)


class Uninitialized:
    """The value of a variable on a way that never reads it."""


class Raised(Exception):
    """The method's own exception."""


def _constant(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [step.constant]


def _get_attribute(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    name = step.node.s("name")
    if not isinstance(values[0], Instance):
        raise refused(
            step.node,
            f"{name!r} is read from an object that only its own class can open",
            "quantized and packed parts are no tensors; save the model with plain ones",
        )
    return [values[0].attributes[name]]


def _set_attribute(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    values[0].attributes[step.node.s("name")] = values[1]
    return []


def _create_object(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [Instance(next(step.node.outputs()).type())]


def _call_method(interpreter: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    raise refused(step.node, f"the method {step.node.s('name')!r} of an object cannot be inlined")


def _raise(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    raise Raised(str(values[0]))


def _unpack(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    if len(values[0]) != len(step.outputs):
        raise Raised(f"expected {len(step.outputs)} values to unpack, got {len(values[0])}")
    return list(values[0])


def _dict(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [dict(zip(values[::2], values[1::2], strict=True))]


def _is_instance(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [any(_is_of(values[0], each) for each in step.node.tys("types"))]


_PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "BoolType": (bool, torch.SymBool, Truth),
    "FloatType": (float, torch.SymFloat),
    "IntType": (int, torch.SymInt),
    "NoneType": (type(None),),
    "StringType": (str,),
    "TensorType": (Tensor, Number),
    "ComplexType": (complex,),
    "DeviceObjType": (torch.device,),
}


def _is_of(value: Any, kind: Any) -> bool:
    name = kind.kind()
    if name in _PLAIN_TYPES:
        is_other = isinstance(value, bool) and name != "BoolType"
        return isinstance(value, _PLAIN_TYPES[name]) and not is_other
    if name == "AnyListType":
        return isinstance(value, list)
    if name == "AnyTupleType":
        return isinstance(value, tuple)
    if name == "ListType":
        inner = kind.getElementType()
        return isinstance(value, list) and all(_is_of(each, inner) for each in value)
    if name == "TupleType":
        kinds = kind.elements()
        fits = isinstance(value, tuple) and len(value) == len(kinds)
        return fits and all(map(_is_of, value, kinds))
    if name == "OptionalType":
        return value is None or _is_of(value, kind.getElementType())
    if name == "DictType":
        return isinstance(value, dict) and all(
            _is_of(key, kind.getKeyType()) and _is_of(each, kind.getValueType())
            for key, each in value.items()
        )
    if name == "NumberType":
        return isinstance(value, int | float | complex | torch.SymInt | torch.SymFloat)
    if name == "ClassType" and isinstance(value, Instance):
        return value.kind == kind
    raise TypeError(f"cannot say whether a {type(value).__name__} is a {kind}")


def _tuple_slice(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [values[0][step.node.i("beg") : step.node.i("end")]]


def _fork(interpreter: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    """Threads give nothing here: the work is done at once."""
    block = code_of(step.node.g("Subgraph")).body
    environment = dict(zip(block.inputs, values, strict=True))
    results = interpreter.block(block, environment)
    return results if len(results) == 1 else [tuple(results)]


def _enter(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    kind = str(values[0].kind) if isinstance(values[0], Instance) else type(values[0]).__name__
    if not kind.endswith(("grad_mode.no_grad", "grad_mode.inference_mode", "enable_grad")):
        raise refused(step.node, f"a context of {kind} does something that is not seen here")
    return [None] * len(step.outputs)


def _nothing(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [None] * len(step.outputs)


def _same(_: "Interpreter", step: Step, values: list[Any]) -> list[Any]:
    return [values[0]]


def _result(function: Callable[..., Any]) -> Control:
    return lambda _, step, values: [function(*values)]


CONTROL: dict[str, Control] = {
    "aten::_unwrap_optional": _same,
    "aten::is_autocast_cpu_enabled": _result(lambda: False),
    "aten::is_autocast_enabled": _result(lambda: False),
    "aten::is_grad_enabled": _result(lambda: False),
    "aten::is_scripting": _result(lambda: True),
    "aten::manual_seed": _nothing,
    "aten::set_grad_enabled": _nothing,
    "aten::wait": _same,
    "aten::warn": _nothing,
    "aten::_get_tracing_state": _result(lambda: False),
    "aten::has_torch_function": _result(lambda *_: False),
    "prim::CallMethod": _call_method,
    "prim::Constant": _constant,
    "prim::CreateObject": _create_object,
    "prim::DictConstruct": _dict,
    "prim::Enter": _enter,
    "prim::Exit": _nothing,
    "prim::GetAttr": _get_attribute,
    "prim::ListConstruct": _result(lambda *values: list(values)),
    "prim::ListUnpack": _unpack,
    "prim::ModuleContainerIndex": _result(lambda container, key: container[key]),
    "prim::NumToTensor": _result(number),
    "prim::Print": _nothing,
    "prim::RaiseException": _raise,
    "prim::SetAttr": _set_attribute,
    "prim::TupleConstruct": _result(lambda *values: tuple(values)),
    "prim::TupleIndex": _result(lambda values, index: values[index]),
    "prim::TupleSlice": _tuple_slice,
    "prim::TupleUnpack": _unpack,
    "prim::Uninitialized": _result(Uninitialized),
    "prim::StringIndex": _result(lambda text, index: text[index]),
    "prim::annotate": _same,
    "prim::awaitable_nowait": _same,
    "prim::awaitable_wait": _same,
    "prim::fork": _fork,
    "prim::isinstance": _is_instance,
    "prim::profile": _same,
    "prim::tolist": lambda _, step, values: [to_list(values[0])],
    "prim::type": _result(lambda device: device.type),
    "prim::index": _result(lambda device: device.index),
    "prim::unchecked_cast": _same,
    "prim::unchecked_unwrap_optional": _same,
    "aten::device": _result(lambda *_: torch.device("cpu")),
}
"""By kind: what a node does with its values."""
