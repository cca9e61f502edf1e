"""Calls that a source and what is made of it are to be compared on."""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torchship.archives.calls import Call, Method
from torchship.archives.subject import Subject
from torchship.compiling.bridge.sizes import Sizes, inputs_of, sizes_to_check, smallest
from torchship.tracing.inputs import VARIANTS, changed

Takes = Callable[[Call], bool]

# Enough to go both ways at most branches; each one is a call of three models.
_VALUES = ("fresh values", "signs flipped", "zeros", "all positive", "all negative")


@dataclass(frozen=True)
class Probe:
    """One call, and how messages name it."""

    label: str
    call: Call


def probes(subject: Subject, method: Method, samples: Sequence[int], takes: Takes) -> list[Probe]:
    """The samples with these numbers, and the method's example with other values and other sizes,
    where the source takes them. Sizes vary as `method` says."""
    own = method.samples
    found = [Probe(f"sample {i}", Call.of(subject.inputs_of(own[i]), method.name)) for i in samples]
    if not found:
        found.append(Probe("the example", method.call))
    made = [*_other_values(method.call), *_other_sizes(method, takes)]
    return [each for each in [*found, *made] if takes(each.call)]


def _other_values(call: Call) -> Iterator[Probe]:
    random = torch.Generator().manual_seed(0)
    for variant in VARIANTS:
        if variant.name in _VALUES:
            tensors = changed(call.tensors, variant, random)
            if tensors is not None:
                yield Probe(variant.name, Call(tensors, call.structures))


def _other_sizes(method: Method, takes: Takes) -> Iterator[Probe]:
    sizes, call = Sizes(method.dynamic), method.call
    now = {name: call.tensors[t].shape[d] for name, [(t, d), *_] in sizes.members().items()}
    free = {name: each for name, each in sizes.ranges.items() if not _is_expression(name, now)}
    plans = [{name: size} for name, size in sizes_to_check(free, now)]
    for plan in [*plans, smallest(free)]:
        if not plan:
            continue
        wanted = with_related({**now, **plan}, now)
        tensors = inputs_of(sizes, call.tensors, wanted, lambda own: takes(_around(call, own)))
        if tensors is not None:
            label = ", ".join(f"{name}={size}" for name, size in plan.items())
            yield Probe(label, _around(call, tensors))


def _around(call: Call, tensors: Sequence[Tensor]) -> Call:
    return Call(list(tensors), call.structures)


def _is_expression(name: str, sizes: Mapping[str, int]) -> bool:
    """Whether a size is named by what it is computed of: a program says "2*s77"."""
    return not name.isidentifier() and computed_size(name, sizes) is not None


def with_related(sizes: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """The sizes, with those that others determine as these want them."""
    plain = {name: size for name, size in sizes.items() if name.isidentifier()}
    made = {name: computed_size(name, plain) for name in now if name not in plain}
    return {**sizes, **{name: size for name, size in made.items() if size is not None}}


def computed_size(name: str, sizes: Mapping[str, int]) -> int | None:
    """What a formula of sizes gives, as programs name sizes by them; None for other names."""
    try:
        return _value(ast.parse(name, mode="eval").body, sizes)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError):
        return None


_OPERATORS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def _value(node: ast.expr, sizes: Mapping[str, int]) -> int:
    """Nothing is evaluated but whole numbers: the text is the file's."""
    if isinstance(node, ast.Name):
        return sizes[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, sizes), _value(node.right, sizes))
    raise ValueError("no formula of sizes")
