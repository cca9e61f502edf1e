"""Writing a module that was traced, scripted or exported elsewhere."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram

from torchship import _program
from torchship._archive import write_archive
from torchship._torchscript import Scripted, writer


def save(
    module: Scripted | ExportedProgram,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a traced or scripted module, or an exported program, to `path`, whole or not at all.

    The archive opens on the CPU with ``torch.jit.load`` wherever the module's tensors live;
    `module` itself stays where it is. A module needs no ``forward``: all its methods are saved.
    Devices written into the code (``torch.zeros(2, device="cuda")``) are kept as they are. Digests
    of every record travel inside the archive (docs/archive-format.md); the tracer's example inputs,
    which torch.jit.save would put there, do not. What ``torchship.trace`` returns is saved with
    its own ``save()``, which knows more.

    All this holds for an exported program as well, and for ``torch.export.save`` and
    ``torch.export.load``; its archive is a .pt2 file. What the program says of its arguments and
    sizes is not said again in the manifest.

    `path` is replaced in one step, so a reader sees the old file or the new one, never a part.
    A symbolic link is followed, an existing file keeps its permission bits, and a new one gets
    those that ``open()`` would give it.

    Args:
        module: what ``torch.jit.trace``, ``torch.jit.trace_module``, ``torch.jit.script`` or
            ``torch.export.export`` returned for a module in evaluation mode.
        path: the file to write, in a folder that exists.
        metadata: notes of your own, strings.

    Raises:
        TypeError: `module` is no ``ScriptModule``, ``ScriptFunction`` or ``ExportedProgram``.
        ValueError: `module` or a submodule is in training mode, or was exported in it, or
            torch.export.save cannot write it, or `path` is something other than a regular file.
        FileNotFoundError: the folder of `path` is missing.
        OSError: the file could not be written; what was at `path` is still there.
    """
    if isinstance(module, ExportedProgram):
        _check_exported_in_eval_mode(module)
        manifest = {"default_method": "forward", "metadata": dict(metadata or {})}
        write_archive(_program.writer(module, keep_examples=False), path, manifest, {})
        return
    _check_scripted(module)
    _check_eval_mode(module)
    manifest = {"methods": _traced_methods(module), "metadata": dict(metadata or {})}
    write_archive(writer(module), path, manifest, {})


def _traced_methods(module: Scripted) -> list[dict[str, Any]]:
    """What the tracer noted of its examples, without their values."""
    if isinstance(module, torch.jit.ScriptFunction):
        return []
    return [
        {
            "name": name,
            "inputs": [
                {"name": argument.name, **_traced_input(given)}
                for argument, given in zip(_arguments(module, name), inputs, strict=True)
            ],
            "output": {"kind": "any"},
            "dimensions": [],
        }
        for name, inputs in module._c._retrieve_traced_inputs().items()
        if len(_arguments(module, name)) == len(inputs)
    ]


def _arguments(module: torch.jit.ScriptModule, method: str) -> list[Any]:
    return module._c._get_method(method).schema.arguments[1:]


def _traced_input(given: Any) -> dict[str, Any]:
    if not isinstance(given, torch.Tensor):
        return {"kind": "any"}
    dtype = str(given.dtype).removeprefix("torch.")
    return {"kind": "any", "traced": {"dtype": dtype, "shape": list(given.shape)}}


def _check_scripted(module: object) -> None:
    if isinstance(module, Scripted):
        return
    raise TypeError(
        f"save() needs a TorchScript module or an exported program, not {type(module).__name__}: "
        "trace it first with "
        "torchship.trace(module, example), where example is a tensor or tuple of tensors like "
        "those the model will be given"
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


def _check_exported_in_eval_mode(program: ExportedProgram) -> None:
    from torchship.exporting.nodes import training_operators

    found = list(training_operators(program))
    if found:
        raise ValueError(
            f"exported in training mode: {'; '.join(found)}; call .eval() and export again: a "
            "program keeps its dropout for ever"
        )
