"""Writing exported programs as torch itself does."""

import copy
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import torch
from torch.export import ExportedProgram
from torch.utils._pytree import tree_leaves


def writer(program: ExportedProgram, keep_examples: bool) -> Callable[[BinaryIO], None]:
    """Writes `program`, on the CPU, to an open file; without the inputs that it was made with,
    which are the author's data, unless they are to be kept."""

    def write(file: BinaryIO) -> None:
        # The program is the author's: what is changed is another one with the same parts.
        own = copy.copy(program)
        if not keep_examples:
            own.example_inputs = None
        _write(_on_cpu(own), file)

    return write


def _write(program: ExportedProgram, file: BinaryIO) -> None:
    # An open file and no file name: a name would be written into the archive.
    try:
        torch.export.save(program, file)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"torch.export.save cannot write this program: {reason}") from error


def _on_cpu(program: ExportedProgram) -> ExportedProgram:
    """The program, or its copy on the CPU where some of it is elsewhere."""
    if all(device.type == "cpu" for device in _devices(program)):
        return program
    from torch.export.passes import move_to_device_pass

    buffer = io.BytesIO()
    _write(program, buffer)
    buffer.seek(0)
    return move_to_device_pass(torch.export.load(buffer), "cpu")


def _devices(program: ExportedProgram) -> Iterator[torch.device]:
    """Where the program's tensors are, and those that it computes."""
    own = [*program.state_dict.values(), *program.constants.values()]
    computed = [
        node.meta.get("val")
        for graph in program.graph_module.modules()
        if isinstance(graph, torch.fx.GraphModule)
        for node in graph.graph.nodes
    ]
    for each in tree_leaves([own, computed]):
        if isinstance(each, torch.Tensor):
            yield each.device
