"""Running a method's graph in Python, node by node, for torch.export to watch.

Tensors are whatever torch.export passes; sizes and what is computed of them stay symbolic. Also
runs on real tensors, which shows whether it does what TorchScript does.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import traceback
from typing_extensions import Self

from torchship.compiling.bridge.branches import branch, loop
from torchship.compiling.bridge.code import Block, Step
from torchship.compiling.bridge.numbers import Number
from torchship.compiling.bridge.operators import (
    Truth,
    UnknownOperator,
    call,
    materialised,
    overload,
    tensors_of,
)
from torchship.compiling.bridge.plain import CHANGING, INTEGER_POWER, OPERATORS
from torchship.compiling.bridge.prims import CONTROL, Instance, Raised
from torchship.compiling.bridge.problems import BranchError, BridgeError, refused
from torchship.compiling.bridge.recurrent import has_varying_time, recurrent
from torchship.compiling.bridge.special import (
    KNOWN_TOO,
    MAKES_TENSORS,
    SPECIAL,
    TAKE_NUMBERS,
    logical,
)
from torchship.compiling.bridge.weights import Method, Part, Weights

Environment = dict[str, Any]

_OUTSIDE = "outside"
_KEEPS_STATE = (
    "a method that keeps state from call to call is left to the interpreter: take another method, "
    "or give the state to the caller as an input and a result"
)


class Interpreter:
    """One run of a method."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.assumed: list[Tensor] = []  # holds where the steps that run now are reached
        self._fixed: dict[int, tuple[Any, str]] = {}  # containers that must not change
        self._storages = {t.untyped_storage()._cdata: name for name, t in weights.tensors()}
        self._calls: dict[Step, Method] = {}
        self.written: set[int] = set()  # the storages of tensors that were changed in place

    def run(self, method: Method, arguments: Sequence[Any]) -> Any:
        """The method's result. Raises Raised where the method itself raises."""
        self._calls.update(method.calls)
        environment = {name: self.weights.current(each) for name, each in method.values.items()}
        for name, value in environment.items():
            if isinstance(value, list | dict):
                self._fixed[id(value)] = (value, f"the attribute or constant {name!r}")
        names = method.code.body.inputs[1:]
        environment.update(zip(names, arguments, strict=True))
        return self.block(method.code.body, environment)[0]

    @contextlib.contextmanager
    def inside(self, values: Sequence[Any], assumed: Tensor | None = None) -> Iterator[Self]:
        """Within a branch, or round of a loop, that is one operator: nothing outside may change."""
        before = self._storages, self._fixed, self.assumed
        own = {each.untyped_storage()._cdata: _OUTSIDE for each in tensors_of(list(values))}
        self._storages, self._fixed = {**self._storages, **own}, dict(self._fixed)
        self.assumed = [] if assumed is None else [*self.assumed, assumed]
        try:
            yield self
        finally:
            self._storages, self._fixed, self.assumed = before

    def fixed(self, value: Any) -> Any:
        """The value, with its containers marked as being from outside."""
        if isinstance(value, list | tuple):
            self._fixed[id(value)] = (value, _OUTSIDE)
            for each in value:
                self.fixed(each)
        elif isinstance(value, dict):
            self._fixed[id(value)] = (value, _OUTSIDE)
            self.fixed(list(value.values()))
        elif isinstance(value, Instance):
            self._fixed[id(value)] = (value, _OUTSIDE)
        return value

    def block(self, block: Block, environment: Environment) -> list[Any]:
        for step in block.steps:
            self._step(step, environment)
        return [environment[name] for name in block.outputs]

    def _step(self, step: Step, environment: Environment) -> None:
        try:
            with _line(step):
                results = self._results(step, environment)
        except (BridgeError, BranchError, Raised):
            raise
        except UnknownOperator:
            raise refused(
                step.node,
                "there is no such operator in this process",
                "load the library that has it before compiling",
            ) from None
        except Exception as error:
            raise refused(step.node, _reason(error), _hint(error)) from error
        environment.update(zip(step.outputs, results, strict=True))

    def _results(self, step: Step, environment: Environment) -> Sequence[Any]:
        if step.kind == "prim::If":
            return branch(self, step, environment)
        if step.kind == "prim::Loop":
            return loop(self, step, environment)
        values = [environment[name] for name in step.inputs]
        if step.kind == "prim::CallMethod" and step in self._calls:
            return [self.run(self._calls[step], values[1:])]
        if step.kind == "prim::SetAttr":
            if isinstance(values[0], Part):
                name = step.node.s("name")
                self._refuse_change(step, f"its attribute {name!r}")
            self.changes_list(step, values[0])
        control = CONTROL.get(step.kind)
        if control is not None:
            return control(self, step, values)
        result = self.operator(step, values, environment)
        if len(step.outputs) == 1:
            return [result]
        return result if step.outputs else []

    def operator(self, step: Step, values: list[Any], environment: Environment) -> Any:
        if step.is_dispatched:
            if step.kind in KNOWN_TOO:
                return KNOWN_TOO[step.kind](*_for_special(step, values))
            return self._dispatched(step, values, environment)
        if step.kind in SPECIAL and (step.is_of_tensor or step.kind in MAKES_TENSORS):
            if step.schema is not None and step.schema.is_mutable:
                values = [materialised(values[0]), *values[1:]]
                self.changes_tensor(step, values[0])
            return SPECIAL[step.kind](*_for_special(step, values))
        if step.kind in OPERATORS and not step.is_of_tensor:
            return self._plain(step, values)
        return _ask_torchscript(step, values)

    def _plain(self, step: Step, values: list[Any]) -> Any:
        if step.kind in CHANGING:
            self.changes_list(step, values[0])
        if step.schema and f"{step.kind}.{step.schema.overload_name}" == INTEGER_POWER:
            return values[0] ** values[1]
        if any(isinstance(each, Truth) for each in values):
            return logical(step.kind, values)
        return OPERATORS[step.kind](*values)

    def _dispatched(self, step: Step, values: list[Any], environment: Environment) -> Any:
        if has_varying_time(step.kind, step.schema.overload_name, values):
            return recurrent(step.kind, [materialised(each) for each in values])
        if not (overload(step)._schema.is_mutable and isinstance(values[0], Number)):
            result = call(step, values, self.changes_tensor)
            return list(result) if isinstance(result, tuple) and len(step.outputs) == 1 else result
        # A number is no tensor that could be changed: everything that was it becomes another one.
        before = values[0]
        tensor = before.tensor()
        result = call(step, [tensor, *values[1:]], self.changes_tensor)
        for name, value in environment.items():
            if value is before:
                environment[name] = result
        return result

    def changes_list(self, step: Step, value: Any) -> None:
        if id(value) in self._fixed:
            self._refuse_change(step, self._fixed[id(value)][1])

    def changes_tensor(self, step: Step, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()._cdata
        if storage in self._storages:
            self._refuse_change(step, self._storages[storage])
        self.written.add(storage)

    def _refuse_change(self, step: Step, what: str) -> None:
        if what == _OUTSIDE:
            raise BranchError(f"changes a value from {what}")
        raise refused(step.node, f"the method changes {what}", _KEEPS_STATE)


@contextlib.contextmanager
def _line(step: Step) -> Iterator[None]:
    """Give the nodes that are recorded meanwhile the author's line, instead of ours."""
    file, _, line = step.place.rpartition(":")
    if torch.compiler.is_exporting() and line.isdigit():
        traceback.set_stack_trace([f'  File "{file}", line {line}, in {step.kind}\n'])
    yield


def _for_special(step: Step, values: list[Any]) -> list[Any]:
    return values if step.kind in TAKE_NUMBERS else [materialised(each) for each in values]


def _settled(value: Any) -> Any:
    """A value for a plain operator, which must know it."""
    if isinstance(value, Truth):
        return value.value.item()
    return value.plain() if isinstance(value, Number) else value


def _ask_torchscript(step: Step, values: list[Any]) -> Any:
    """TorchScript's own operator, on values that are known."""
    schema = step.schema
    if schema is None or schema.is_mutable:
        raise UnknownOperator(step.kind)
    namespace, _, name = step.kind.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name, None)
    found = getattr(packet, schema.overload_name or "default", None)
    if found is None:
        raise UnknownOperator(step.kind)
    return found(*map(_settled, values))


def _reason(error: Exception) -> str:
    if _needs_data(error):
        return "it needs a number that is known only when the model runs"
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no message'}"


def _hint(error: Exception) -> str:
    if not _needs_data(error):
        return ""
    return (
        "what is computed here depends on the values of tensors, not only on their sizes; leave "
        "this method to the interpreter"
    )


def _needs_data(error: Exception) -> bool:
    return type(error).__name__ == "GuardOnDataDependentSymNode"
