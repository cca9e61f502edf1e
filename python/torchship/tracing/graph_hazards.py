"""Findings that a traced graph shows by itself: training behaviour, random operators, writes."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

import torch

from torchship.tracing.findings import Finding, at, finding
from torchship.tracing.observe import all_nodes
from torchship.tracing.places import place_of
from torchship.tracing.script import Method

_NORMS = ("aten::batch_norm", "aten::native_batch_norm", "aten::cudnn_batch_norm")


_MODES = frozenset(("train", "training", "dropout_p"))
"""Arguments that say whether an operator draws random numbers at all."""


def graph_findings(graph: torch._C.Graph, method: Method, is_random: bool) -> Iterator[Finding]:
    """What the operators say. Those inside the branches of scripted code may never run: they count
    where results were seen to be random."""
    for node in all_nodes(graph) if is_random else graph.nodes():
        made = operator_finding(
            node.kind(), _constants(node), method, {each.name for each in _arguments(node)}
        )
        if made is not None:
            yield at(made, place_of(node))


def operator_finding(
    kind: str, constants: Mapping[str, Any], method: Method, names: Collection[str]
) -> Finding | None:
    """What one operator ("aten::dropout") says: of its constant arguments, and the names of all."""
    trained = training_behaviour(kind, constants)
    if trained:
        return _training(method, trained)
    if _is_random(kind) and _MODES.isdisjoint(names):
        return _random(kind, method)
    return None


def training_behaviour(kind: str, constants: Mapping[str, Any]) -> str:
    """What an operator does only in training; empty if it does not."""
    trains = constants.get("train") is True or constants.get("training") is True
    drops = any(_positive(constants.get(name)) for name in ("p", "dropout", "dropout_p"))
    if kind in _NORMS and trains:
        return "batch norm uses the statistics of each batch"
    if "dropout" in constants and trains and drops:
        return "a recurrent layer drops values at random"
    if "dropout" in kind and trains and drops:
        return "dropout is on: values are dropped at random"
    if "dropout_p" in constants and drops:
        return "attention drops values at random"
    return ""


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _training(method: Method, what: str) -> Finding:
    severity = "note" if method.training else "error"
    when = "" if method.training else " although the model is in eval mode"
    return finding("train-mode", severity, what + when, place=None, method=method.name)


def _random(kind: str, method: Method) -> Finding:
    return finding(
        "random",
        "note" if method.training else "error",
        f"{kind} draws random numbers: two calls with the same inputs differ",
        place=None,
        method=method.name,
    )


@cache
def _is_random(kind: str) -> bool:
    namespace, _, name = kind.partition("::")
    packet = getattr(getattr(torch.ops, namespace, None), name, None) if name else None
    if namespace != "aten" or packet is None:
        return False
    tag = torch.Tag.nondeterministic_seeded
    return any(tag in getattr(packet, overload).tags for overload in packet.overloads())


def _arguments(node: torch._C.Node) -> list[Any]:
    if not node.kind().startswith("aten::") or node.schema() == "(no schema)":
        return []
    return torch._C.parse_schema(node.schema()).arguments


def _constants(node: torch._C.Node) -> dict[str, Any]:
    """The constant arguments of an operator by their names in its schema."""
    return {
        argument.name: value.toIValue()
        for argument, value in zip(_arguments(node), node.inputs(), strict=False)
        if value.node().kind() == "prim::Constant"
    }


def unused_inputs(graph: torch._C.Graph, method: Method) -> Iterator[str]:
    """The names of the input tensors that no result depends on."""
    inputs = [value for value in graph.inputs() if value.type().kind() != "ClassType"]
    names = iter(method.arguments.tensor_names())
    if method.is_native:
        for structure, value in zip(method.arguments.structures, inputs, strict=True):
            own = [next(names) for _ in structure.tensors()]
            if not list(value.uses()):
                yield from own
            elif len(own) > 1:
                yield from _unused_members(own, value)
    elif len(inputs) == len(method.arguments.tensors):
        yield from (name for name, value in zip(names, inputs, strict=True) if not value.uses())


def _unused_members(names: list[str], value: torch._C.Value) -> Iterator[str]:
    """Of a tuple or list that is taken apart at once."""
    users = [use.user for use in value.uses()]
    unpacked = [node for node in users if node.kind() in ("prim::TupleUnpack", "prim::ListUnpack")]
    if len(users) == 1 and unpacked:
        outputs = list(unpacked[0].outputs())
        if len(outputs) == len(names):
            yield from (n for n, out in zip(names, outputs, strict=True) if not out.uses())


def writer_of(graph: torch._C.Graph, attribute: str) -> torch._C.Node | None:
    """The node that changes an attribute of the module in place."""
    for node in all_nodes(graph):
        inputs = list(node.inputs())
        writes = node.kind().endswith("_") or node.kind() in _NORMS
        if writes and any(_is_attribute(value.node(), attribute) for value in inputs):
            return node
    return None


def _is_attribute(node: torch._C.Node, name: str) -> bool:
    return node.kind() == "prim::GetAttr" and node.s("name") == name
