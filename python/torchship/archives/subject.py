"""An archive that is to be compiled or converted: its methods, their sizes, and inputs to try."""

import contextlib
import io
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_safetensors
from torch import Tensor

from torchship import _core
from torchship._archive import PLACES, folder_of, read_manifest
from torchship.archives.calls import Call, Dynamic, Json, Method
from torchship.archives.given import example_inputs
from torchship.archives.values import (
    declared_sizes,
    described_sizes,
    made_up,
    promised_sizes,
    value_of,
)
from torchship.errors import ArchiveError, EngineError, SignatureError


class Subject:
    """Raises ArchiveError where the file is neither a TorchScript archive nor a program."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.info = _core.info(path)
        if self.info.format not in PLACES:
            raise ArchiveError(
                f"{path}: is {self.info.format}: it has compiled code, and no program that it "
                "was made of",
                "take the TorchScript archive or the exported program that it was compiled from",
            )
        self.is_program = self.info.format == "exported program"
        self.places = PLACES[self.info.format]
        self.manifest = read_manifest(path)

    @cached_property
    def torchscript(self) -> bytes:
        """An exported program as a TorchScript file. Raises EngineError where it cannot be one."""
        return _core.to_torchscript(self.path)

    @cached_property
    def module(self) -> torch.jit.ScriptModule:
        """The archive's code, in stock PyTorch."""
        source = io.BytesIO(self.torchscript) if self.is_program else self.path
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` ", DeprecationWarning)
            return torch.jit.load(source, map_location="cpu").eval()

    @cached_property
    def sample_tensors(self) -> dict[str, Tensor]:
        with zipfile.ZipFile(self.path) as file:
            with contextlib.suppress(KeyError):
                return from_safetensors(file.read(folder_of(file) + self.places.samples))
        return {}

    def samples_of(self, method: str) -> Iterator[Json]:
        return (each for each in self.manifest.get("samples", []) if each["method"] == method)

    def method_info(self, name: str) -> _core.MethodInfo:
        for each in self.info.methods:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.info.methods)
        raise ValueError(f"{self.path}: has no method {name!r}; there are: {known}")

    def method(
        self, name: str, examples: Sequence[Any] | None, dynamic: Mapping[str, Any] | None
    ) -> Method:
        """Raises SignatureError where neither the file nor `examples` tell how it is called."""
        info = self.method_info(name)
        names = [each.name for each in info.inputs]
        samples = list(self.samples_of(name))
        inputs, origin = self._example(info, samples, examples)
        call = Call.of(inputs, f"examples of {name}")
        if len(call.structures) != len(names):
            raise SignatureError(
                f"{self.path}: {name} takes {len(names)} inputs {names}, got {len(call.structures)}"
            )
        method = Method(name, names, call, [{} for _ in call.tensors], samples, origin)
        promised = self._sizes(info) if dynamic is None else declared_sizes(method, dynamic)
        _add_sizes(method, promised)
        return method

    def _example(
        self, info: _core.MethodInfo, samples: Sequence[Json], examples: Sequence[Any] | None
    ) -> tuple[list[Any], str]:
        """Inputs of a method, and what a sample with them would say of their origin."""
        if examples is not None:
            return list(examples), "example"
        if samples:
            return self.inputs_of(samples[0]), samples[0]["origin"]
        # What torchship wrote keeps them for others, and has samples for itself.
        if self.is_program and not self.manifest:
            found = example_inputs(self.path, [each.name for each in info.inputs])
            if found is not None:
                return found, "example"
        return [made_up(self.path, info, each) for each in info.inputs], "synthetic"

    def inputs_of(self, sample: Json) -> list[Any]:
        return [value_of(each, self.sample_tensors) for each in sample["inputs"]]

    def _sizes(self, info: _core.MethodInfo) -> Dynamic:
        for method in self.manifest.get("methods", []):
            if method["name"] == info.name:
                return promised_sizes(method)
        return described_sizes(info) if self.is_program else []


def _add_sizes(method: Method, dynamic: Dynamic) -> None:
    if not dynamic:
        return
    if len(dynamic) != len(method.dynamic):
        raise EngineError(
            f"{method.name}: the manifest knows {len(dynamic)} tensors, the sample has "
            f"{len(method.dynamic)}"
        )
    method.dynamic = dynamic
