"""Writing TorchScript modules as torch itself does."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import BinaryIO

import torch

Scripted = torch.jit.ScriptModule | torch.jit.ScriptFunction


def on_cpu(module: Scripted) -> Scripted:
    """Return `module`, or its copy on the CPU where its tensors could be elsewhere."""
    # Constants of a trace or a frozen module are neither parameters nor buffers, so looking
    # through those would miss some; loading moves every tensor.
    if not torch.accelerator.is_available():
        return module
    buffer = io.BytesIO()
    write(module, buffer)
    buffer.seek(0)
    with _silenced("load"):
        return torch.jit.load(buffer, map_location="cpu")


def writer(module: Scripted) -> Callable[[BinaryIO], None]:
    """Writes `module`, on the CPU, to an open file."""
    return lambda file: write(on_cpu(module), file)


def write(module: Scripted, file: BinaryIO) -> None:
    # An open file and no file name: a name would be written into the archive.
    with _silenced("save"):
        torch.jit.save(module, file)


@contextlib.contextmanager
def _silenced(function: str) -> Iterator[None]:
    """Silence the deprecation warning of ``torch.jit.<function>`` and nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", rf"`torch\.jit\.{function}` ", DeprecationWarning)
        yield
