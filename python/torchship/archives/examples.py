"""Inputs of a method on the command line: `x=[[1,2]]`, `x:int64=@file.npy`, `mode="sum"`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors.torch import load_file

from torchship import _core


def read_examples(info: _core.MethodInfo, given: Sequence[str]) -> list[Any]:
    """One value for each input of a method. Raises ValueError for what does not fit it."""
    specs = {each.name: each for each in info.inputs}
    values: dict[str, Any] = {}
    for text in given:
        place, equals, value = text.partition("=")
        name, _, dtype = place.partition(":")
        if not equals or name not in specs:
            raise ValueError(f"-i is NAME=VALUE, for an input of {list(specs)}, not {text!r}")
        values[name] = _value(specs[name], dtype, value)
    missing = [name for name, each in specs.items() if name not in values and not each.has_default]
    if missing:
        raise ValueError(f"-i: an example of {info.name} needs {missing} too")
    # What is left out is left to its default, which must then be the last.
    return [values[name] for name in specs if name in values]


def _value(spec: _core.ValueSpec, dtype: str, text: str) -> Any:
    if text.startswith("@"):
        return _read(Path(text[1:]), spec.name)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if spec.kind != "tensor":
        return value
    named = getattr(torch, dtype or spec.traced_dtype or "float32", None)
    if not isinstance(named, torch.dtype):
        raise ValueError(f"-i {spec.name}: there is no dtype {dtype!r}")
    return torch.tensor(value, dtype=named)


def _read(path: Path, name: str) -> torch.Tensor:
    if path.suffix == ".safetensors":
        return load_file(path)[name]
    found = numpy.load(path)
    return torch.from_numpy(found[name] if path.suffix == ".npz" else found)
