"""Example inputs, bound to the parameters of what is traced."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from torchship.tracing.structure import Structure, flatten, is_native_input, rebuild

Examples = Any
"""A tensor, a tuple or list of positional arguments, or a dict of arguments by name."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call, in the order of the parameters."""

    names: tuple[str, ...]
    structures: tuple[Structure, ...]  # tensor indices count over all arguments
    tensors: tuple[Tensor, ...]
    positional: int  # how many are passed by position
    is_leading: bool  # the first parameters, without a gap

    @property
    def is_native(self) -> bool:
        """Whether the tracer takes these arguments by itself."""
        return self.is_leading and all(map(is_native_input, self.structures))

    def rebuild(self, tensors: Sequence[Tensor]) -> tuple[Any, ...]:
        return tuple(rebuild(structure, tensors) for structure in self.structures)

    def apply(self, call: Callable[..., Any], tensors: Sequence[Tensor]) -> Any:
        """Call with the arguments around other tensors."""
        values = self.rebuild(tensors)
        named = dict(zip(self.names[self.positional :], values[self.positional :], strict=True))
        return call(*values[: self.positional], **named)

    def tensor_names(self) -> list[str]:
        """What messages call each tensor: "x", "batch.mask"."""
        return [
            path
            for name, structure in zip(self.names, self.structures, strict=True)
            for path, leaf in structure.leaves(name)
            if leaf.kind == "tensor"
        ]


def bind(
    call: Callable[..., Any], name: str, examples: Examples, kwargs: Mapping[str, Any] | None
) -> Arguments:
    """Bind examples to the parameters of `call`. Raises TypeError naming what does not fit."""
    if isinstance(examples, Mapping):
        args, named = (), {**examples, **(kwargs or {})}
    else:
        plain = isinstance(examples, tuple | list) and not hasattr(examples, "_fields")
        args = tuple(examples) if plain else () if examples is None else (examples,)
        named = dict(kwargs or {})
    signature = _signature(call)
    try:
        bound = signature.bind(*args, **named)
    except TypeError as error:
        raise TypeError(
            f"{name}{signature}: the examples do not fit: {error}; give a tensor, a tuple of "
            "positional arguments, or a dict of arguments by name"
        ) from None
    return _collect(signature, bound, len(args))


def _signature(call: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(call)
    except (TypeError, ValueError):  # builtins do not say
        return inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.VAR_POSITIONAL)])


def _collect(signature: inspect.Signature, bound: inspect.BoundArguments, given: int) -> Arguments:
    names: list[str] = []
    values: list[Any] = []
    positional, is_leading, skipped = 0, True, False
    for parameter in signature.parameters.values():
        if parameter.name not in bound.arguments:
            skipped = True
            continue
        value = bound.arguments[parameter.name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(len(value))]
            values += value
            positional = len(values)
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            names += value
            values += value.values()
            is_leading = False
        else:
            names.append(parameter.name)
            values.append(value)
            is_leading = is_leading and not skipped and parameter.kind in _POSITIONAL
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY or len(values) <= given:
                positional = len(values)
    tensors, whole = flatten(tuple(values), "examples")
    return Arguments(tuple(names), whole.items, tuple(tensors), positional, is_leading)
