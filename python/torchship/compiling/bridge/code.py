"""A TorchScript graph as blocks of steps, read once so that loops can be run quickly."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from torchship.compiling.bridge.problems import place_of


@dataclass(eq=False)
class Step:
    """One node. Values are known by their names, which are unique in a graph."""

    kind: str
    node: torch._C.Node
    inputs: list[str]
    outputs: list[str]
    blocks: list["Block"]

    @cached_property
    def schema(self) -> torch._C.FunctionSchema | None:
        text = self.node.schema()
        return None if text == "(no schema)" else torch._C.parse_schema(text)

    @cached_property
    def is_dispatched(self) -> bool:
        """Whether it is an operator of ATen or of a library, and not of TorchScript alone."""
        if self.schema is None:
            return False
        try:
            torch._C._dispatch_find_schema_or_throw(self.schema.name, self.schema.overload_name)
        except RuntimeError:
            return False
        return True

    @cached_property
    def is_of_tensor(self) -> bool:
        """Whether the first argument is a tensor."""
        arguments = self.schema.arguments if self.schema else []
        return bool(arguments) and str(arguments[0].type) == "Tensor"

    @cached_property
    def place(self) -> str:
        return place_of(self.node.sourceRange())

    @cached_property
    def constant(self) -> Any:
        return next(self.node.outputs()).toIValue()


@dataclass(eq=False)
class Block:
    """Steps in order, with the names they begin with and give back."""

    inputs: list[str]
    outputs: list[str]
    steps: list[Step] = field(default_factory=list)

    @cached_property
    def free(self) -> list[str]:
        """The names of values from outside that the block needs."""
        known = set(self.inputs)
        needed: dict[str, None] = {}
        for step in self.steps:
            inner = [name for block in step.blocks for name in block.free]
            needed.update({name: None for name in (*step.inputs, *inner) if name not in known})
            known.update(step.outputs)
        needed.update({name: None for name in self.outputs if name not in known})
        return list(needed)

    @cached_property
    def raises(self) -> bool:
        """Whether the block always ends in an exception."""
        return any(step.kind == "prim::RaiseException" for step in self.steps)

    def drop(self, known: Container[str]) -> None:
        """Leave out the steps whose results are known."""
        self.steps = [s for s in self.steps if not (s.outputs and s.outputs[0] in known)]
        for step in self.steps:
            for block in step.blocks:
                block.drop(known)

    def all_steps(self) -> Iterator[Step]:
        for step in self.steps:
            yield step
            for block in step.blocks:
                yield from block.all_steps()


@dataclass(eq=False)
class Code:
    """The inlined graph of a method, which stays as it is: a copy is inlined."""

    graph: torch._C.Graph  # owns the nodes of the steps
    body: Block


def code_of(graph: torch._C.Graph) -> Code:
    inlined = graph.copy()
    torch._C._jit_pass_inline(inlined)
    return Code(inlined, _block(inlined))


def _block(block: torch._C.Graph | torch._C.Block) -> Block:
    made = Block(_names(block.inputs()), _names(block.outputs()))
    for node in block.nodes():
        inner = [_block(each) for each in node.blocks()]
        step = Step(node.kind(), node, _names(node.inputs()), _names(node.outputs()), inner)
        made.steps.append(step)
    return made


def _names(values: Iterator[torch._C.Value]) -> list[str]:
    return [value.debugName() for value in values]
