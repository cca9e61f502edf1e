"""How the tests of the bridge make exported programs and compare them."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from r_torch import same
from support import legacy
from torch import nn
from torchship.compiling.bridge import Exported, Range, exported
from torchship.tracing.structure import flatten

BATCH = Range("batch")


def reloaded(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """The module as an archive gives it."""
    buffer = io.BytesIO()
    legacy(torch.jit.save, module, buffer)
    buffer.seek(0)
    return legacy(torch.jit.load, buffer, map_location="cpu").eval()


def scripted(what: nn.Module | Callable[..., Any]) -> torch.jit.ScriptModule:
    """A module, or one whose `forward` is a function that has `self` as its first argument."""
    if not isinstance(what, nn.Module):
        what = type("Case", (nn.Module,), {"forward": what})()
    return reloaded(legacy(torch.jit.script, what.eval()))


def traced(module: nn.Module, *examples: Any) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return reloaded(legacy(torch.jit.trace, module.eval(), examples, check_trace=False))


def bridged(
    module: torch.jit.ScriptModule,
    inputs: Sequence[Any],
    *others: Sequence[Any],
    dynamic: Sequence[Mapping[int, Range]] = (),
    method: str = "forward",
) -> Exported:
    """Export a method, and check the program at these inputs and at others."""
    made = exported(module, method, inputs, dynamic)
    program = made.program.module()
    for values in (inputs, *others):
        tensors, _ = flatten(list(values), "inputs")
        with torch.no_grad():
            got = made.result(program(*(each.clone() for each in tensors)))
            same(got, getattr(module, method)(*values))
    return made


def operators(made: Exported) -> list[str]:
    """The names of the operators of a program."""
    nodes = [node for node in made.program.graph.nodes if node.op == "call_function"]
    return [getattr(node.target, "__name__", str(node.target)) for node in nodes]
