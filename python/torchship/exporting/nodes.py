"""What a program's graph shows by itself: training behaviour, random operators, writes."""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import (
    ArgumentSpec,
    InputKind,
    OutputKind,
    TensorArgument,
)

from torchship.tracing.findings import Finding, at
from torchship.tracing.graph_hazards import operator_finding, training_behaviour
from torchship.tracing.places import Place, is_authors
from torchship.tracing.script import Method

_STACK_LINE = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)')


def place_in(text: str) -> Place | None:
    """The author's line that a stack in text form names last."""
    for match in reversed(list(_STACK_LINE.finditer(text))):
        if is_authors(match["file"]):
            return Place(match["file"], int(match["line"]))
    return None


def graph_findings(program: ExportedProgram, method: Method, is_random: bool) -> Iterator[Finding]:
    """What the operators say. Those inside branches may never run: they count where results were
    seen to be random."""
    for node in _operators(program, nested=is_random):
        schema = node.target._schema
        names = {each.name for each in schema.arguments}
        made = operator_finding(schema.name, _constants(node), method, names)
        if made is not None:
            yield at(made, place_in(node.stack_trace or ""))


def training_operators(program: ExportedProgram) -> Iterator[str]:
    """What the program does as it would in training, one line each."""
    for node in _operators(program, nested=False):
        what = training_behaviour(node.target._schema.name, _constants(node))
        if what:
            place = place_in(node.stack_trace or "")
            yield f"{what} ({place})" if place else what


def _operators(program: ExportedProgram, nested: bool) -> Iterator[torch.fx.Node]:
    graphs = [program.graph_module]
    if nested:
        graphs += [
            part
            for part in program.graph_module.modules()
            if isinstance(part, torch.fx.GraphModule) and part is not program.graph_module
        ]
    for graph in graphs:
        for node in graph.graph.nodes:
            if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
                yield node


def _constants(node: torch.fx.Node) -> dict[str, Any]:
    """The arguments of an operator that are no results of others, by name."""
    found = {}
    for i, argument in enumerate(node.target._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        value = node.args[i] if i < len(node.args) else node.kwargs.get(argument.name, default)
        if not isinstance(value, torch.fx.Node):
            found[argument.name] = value
    return found


def unused_inputs(program: ExportedProgram, method: Method) -> Iterator[str]:
    """The names of the input tensors that no result depends on."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs = [
        nodes[spec.arg.name]
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    ]
    for name, node in zip(method.arguments.tensor_names(), inputs, strict=True):
        if not node.users:
            yield name


def results(program: ExportedProgram) -> list[ArgumentSpec]:
    """What the program gives: tensors, computed numbers and constants, in order."""
    specs = program.graph_signature.output_specs
    return [spec.arg for spec in specs if spec.kind is OutputKind.USER_OUTPUT]


def written_buffers(program: ExportedProgram) -> dict[str, Place | None]:
    """The buffers that a call changes, and where."""
    buffers = {
        spec.arg.name: spec.target
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.BUFFER
    }
    found: dict[str, Place | None] = {}
    for node in _operators(program, nested=False):
        for argument, value in zip(node.target._schema.arguments, node.args, strict=False):
            is_written = argument.alias_info is not None and argument.alias_info.is_write
            if is_written and isinstance(value, torch.fx.Node) and value.name in buffers:
                name = buffers[value.name]
                found[name] = found.get(name) or place_in(node.stack_trace or "")
    return found
