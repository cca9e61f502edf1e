"""How an exported program is called: plain lists, tuples and dicts in and out.

Classes of other containers would have to be registered with PyTorch wherever the file is loaded.
The manifest keeps the field names of named tuples.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from torchship.tracing.arguments import Arguments
from torchship.tracing.script import Method
from torchship.tracing.structure import Structure, named_tuple

_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


def plain(value: Any) -> Any:
    """The value in lists, tuples and dicts that are nothing else."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple([plain(each) for each in value])
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def with_fields(structure: Structure, value: Any) -> Any:
    """The value with its tuples named where the structure has names for them."""
    if structure.kind == "dict" and isinstance(value, dict):
        pairs = zip(structure.keys, structure.items, strict=True)
        return {key: with_fields(item, value[key]) for key, item in pairs}
    if structure.kind not in ("list", "tuple") or not isinstance(value, list | tuple):
        return value
    items = [with_fields(item, each) for item, each in zip(structure.items, value, strict=True)]
    if structure.type_name:
        return named_tuple(structure)(*items)
    return items if structure.kind == "list" else tuple(items)


def _has_fields(structure: Structure) -> bool:
    return bool(structure.type_name) or any(map(_has_fields, structure.items))


def _forward(method: Method, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` as a function of plain values, with the signature of its arguments."""
    arguments = method.arguments
    names, positional = arguments.names, arguments.positional
    # Only what needs it: in strict mode torch.export follows this code as well.
    with_names = {
        name: structure
        for name, structure in zip(names, arguments.structures, strict=True)
        if _has_fields(structure)
    }

    # Not called forward: torch.export would name this line as the origin of every operator.
    def plain_call(*args: Any, **kwargs: Any) -> Any:
        values = {**dict(zip(names[:positional], args, strict=True)), **kwargs}
        for name, structure in with_names.items():
            values[name] = with_fields(structure, values[name])
        first = [values.pop(name) for name in names[:positional]]
        return plain(call(*first, **values))

    plain_call.__signature__ = signature(arguments)
    return plain_call


def signature(arguments: Arguments) -> inspect.Signature:
    """Of the program: its arguments by position or by name."""
    return inspect.Signature([inspect.Parameter(name, _KIND) for name in arguments.names])


@contextlib.contextmanager
def plain_forward(module: nn.Module, method: Method) -> Iterator[None]:
    """Let the module's forward take and give plain values for a while."""
    own = module.__dict__
    before = own.get("forward")
    # The module is called by its forward, so what is inside has to be the one of now.
    call = method.call.forward if isinstance(method.call, nn.Module) else method.call
    own["forward"] = _forward(method, call)
    try:
        yield
    finally:
        if before is None:
            del own["forward"]
        else:
            own["forward"] = before


def given(arguments: Arguments, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Values of all arguments as the program is called with them: by position, then by name."""
    first = arguments.positional
    named = dict(zip(arguments.names[first:], values[first:], strict=True))
    return tuple(plain(each) for each in values[:first]), plain(named)


GUARD = "Guard failed"
"""In the message of a program that is given what it was not made for."""


class ProgramCall:
    """A program in the place of a trace."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.module = program.module()

    def call(self, method: Method, tensors: Sequence[Tensor]) -> Any:
        """Run the program on the tensors of its arguments."""
        arguments = method.arguments
        args, named = given(arguments, arguments.rebuild(tensors))
        return self.module(*args, **named)
