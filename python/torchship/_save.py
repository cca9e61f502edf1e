"""Writing TorchScript archives that stock ``torch.jit.load`` and LibTorch open."""

import contextlib
import io
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch

Scripted = torch.jit.ScriptModule | torch.jit.ScriptFunction


def save(module: Scripted, path: str | os.PathLike[str]) -> None:
    """Write a traced or scripted module to `path`, whole or not at all.

    The archive opens on the CPU with ``torch.jit.load`` wherever the module's tensors live;
    `module` itself stays where it is. A module needs no ``forward``: all its methods are saved.
    Devices written into the code (``torch.zeros(2, device="cuda")``) are kept as they are.

    `path` is replaced in one step, so a reader sees the old file or the new one, never a part.
    A symbolic link is followed, an existing file keeps its permission bits, and a new one gets
    those that ``open()`` would give it.

    Args:
        module: what ``torch.jit.trace``, ``torch.jit.trace_module`` or ``torch.jit.script``
            returned for a module in evaluation mode.
        path: the file to write, in a folder that exists.

    Raises:
        TypeError: `module` is no ``ScriptModule`` or ``ScriptFunction``.
        ValueError: `module` or a submodule is in training mode, or `path` is something other
            than a regular file.
        FileNotFoundError: the folder of `path` is missing.
        OSError: the file could not be written; what was at `path` is still there.
    """
    _check_scripted(module)
    _check_eval_mode(module)
    target = Path(os.path.realpath(path))
    _check_target(target)
    with _replacing(target) as file:
        _write(_on_cpu(module), file)


def _check_scripted(module: object) -> None:
    if isinstance(module, Scripted):
        return
    raise TypeError(
        f"save() needs a TorchScript module, not {type(module).__name__}: trace it first with "
        "torch.jit.trace(module.eval(), example), where example is a tensor or tuple of tensors "
        "like those the model will be given"
    )


def _check_eval_mode(module: Scripted) -> None:
    if isinstance(module, torch.jit.ScriptFunction):
        return
    # A frozen module has no `training` attribute: it was in evaluation mode when frozen.
    training = [
        name or "the module itself"
        for name, part in module.named_modules()
        if getattr(part, "training", False)
    ]
    if training:
        raise ValueError(
            f"in training mode: {', '.join(training)}; call .eval() before tracing, then trace "
            "again: a trace keeps its dropout for ever, and .eval() afterwards does not remove it"
        )


def _check_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot save {target.name}: there is no folder {target.parent}")
    if target.exists() and not target.is_file():
        raise ValueError(f"cannot save to {target}: it is not a regular file")


def _on_cpu(module: Scripted) -> Scripted:
    """Return `module`, or its copy on the CPU where its tensors could be elsewhere."""
    # Constants of a trace or a frozen module are neither parameters nor buffers, so looking
    # through those would miss some; loading moves every tensor.
    if not torch.accelerator.is_available():
        return module
    buffer = io.BytesIO()
    _write(module, buffer)
    buffer.seek(0)
    with _silenced("load"):
        return torch.jit.load(buffer, map_location="cpu")


def _write(module: Scripted, file: BinaryIO) -> None:
    # An open file and no file name: a name would be written into the archive.
    with _silenced("save"):
        torch.jit.save(module, file)


@contextlib.contextmanager
def _silenced(function: str) -> Iterator[None]:
    """Silence the deprecation warning of ``torch.jit.<function>`` and nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", rf"`torch\.jit\.{function}` ", DeprecationWarning)
        yield


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `target` when the block succeeds."""
    temporary = target.with_name(f".torchship-{secrets.token_hex(8)}.tmp")
    try:
        # open() and not tempfile, whose files are private to their owner.
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can (not Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
