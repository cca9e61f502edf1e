"""An exported program with the arguments and results of a method.

The bridge gives programs of flat tensors; here they get the method's names, containers and
constants by being exported once more.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import traceback
from torch.fx.experimental import _config as symbolic_config

from torchship.archives.calls import Dynamic, Method
from torchship.archives.signature import computed_kinds
from torchship.compiling.bridge import Exported, Range
from torchship.compiling.bridge.exporting import quiet
from torchship.compiling.bridge.operators import onednn
from torchship.compiling.bridge.sizes import Sizes
from torchship.errors import EngineError
from torchship.exporting.calls import plain
from torchship.exporting.program import dynamic_shapes
from torchship.tracing.replay import one_line
from torchship.tracing.structure import Structure, flatten

_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


class _Interpreter(torch.fx.Interpreter):
    """Runs a flat program while it is exported."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        with onednn(target is torch.ops.aten.lstm.input):
            return super().call_function(target, args, kwargs)


def with_boundary(made: Exported, method: Method, dynamic: Dynamic) -> ExportedProgram:
    """The program as a function of the method's arguments. Raises EngineError."""
    _require_writable(made, method)
    module = _module(made, method)
    spec = Sizes(dynamic).spec()
    shapes = {
        name: dynamic_shapes(structure, spec)
        for name, structure in zip(_names(method), method.call.structures, strict=True)
    }
    # Each its own memory: a tensor that is given twice would be one input.
    kept = torch.contiguous_format
    own = [each.detach().clone(memory_format=kept) for each in method.call.tensors]
    inputs = [plain(each) for each in method.call.around(own)]
    first: Exception | None = None
    for oblivious in (True, False):
        try:
            program = _export(module, inputs, shapes if any(spec) else None, oblivious)
        except Exception as error:  # torch.export has no class of its own
            first = first or error
        else:
            _forget_own_lines(program)
            return program
    assert first is not None
    raise EngineError(
        f"{method.name}: torch.export refuses the method with its own arguments: {one_line(first)}",
        "fix its sizes (--fixed on the command line)",
    ) from first


def _export(
    module: torch.nn.Module, inputs: Sequence[Any], shapes: Any, oblivious: bool
) -> ExportedProgram:
    # The nodes keep what they were in the author's source.
    with quiet(), torch.no_grad(), symbolic_config.patch(backed_size_oblivious=oblivious):
        with traceback.preserve_node_meta():
            return torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False)


def _forget_own_lines(program: ExportedProgram) -> None:
    """Lines of this file are nothing to the author."""
    for node in program.graph.nodes:
        if __file__ in node.meta.get("stack_trace", ""):
            del node.meta["stack_trace"]


def _module(made: Exported, method: Method) -> torch.nn.Module:
    """The flat program's weights under their names, with the method as its forward."""
    flat = made.program.module(check_guards=False)
    module = torch.nn.Module()
    # No GraphModule: torch.export would take the boundary that its graph has.
    module._parameters, module._buffers = flat._parameters, flat._buffers
    module._modules = flat._modules
    others = {key: value for key, value in flat.__dict__.items() if isinstance(value, Tensor)}
    module.__dict__.update(others)

    def forward(*args: Any) -> Any:
        tensors, _ = flatten(list(args), method.name)
        results = _Interpreter(module, graph=flat.graph).run(*tensors)
        return plain(_rebuilt(made.structure, results))

    parameters = [inspect.Parameter(name, _KIND) for name in _names(method)]
    forward.__signature__ = inspect.Signature(parameters)
    module.forward = forward
    return module.eval()


def _names(method: Method) -> list[str]:
    names = method.argument_names
    fits = all(name.isidentifier() for name in names) and len(set(names)) == len(names)
    return names if fits else [f"input_{i}" for i in range(len(names))]


def _rebuilt(structure: Structure, results: Sequence[Tensor]) -> Any:
    """The method's result; numbers that are computed stay so."""
    if structure.index >= 0:
        value = results[structure.index]
        return value if structure.kind == "tensor" else value.item()
    items = [_rebuilt(item, results) for item in structure.items]
    if structure.kind == "dict":
        return dict(zip(structure.keys, items, strict=True))
    if structure.kind in ("list", "tuple"):
        return items if structure.kind == "list" else tuple(items)
    return structure.value


def _require_writable(made: Exported, method: Method) -> None:
    """Refuse what torch.export.save or torch.export.load cannot do."""
    if "bool" in computed_kinds(made.output):
        raise EngineError(
            f"{method.name}: its result holds a bool that is computed, which torch.export.save "
            "cannot write",
            "give a bool tensor",
        )
    if any(leaf.kind == "str" for _, leaf in made.structure.leaves()):
        raise EngineError(
            f"{method.name}: its result holds text, and torch.export.load opens no program that "
            "gives text"
        )


def narrowed_sizes(dynamic: Dynamic, supported: dict[str, Range | int]) -> Dynamic:
    """The sizes that vary in the program: fewer than were asked for, at times."""
    return [
        {d: now for d, each in entry.items() if isinstance(now := supported[each.name], Range)}
        for entry in dynamic
    ]
