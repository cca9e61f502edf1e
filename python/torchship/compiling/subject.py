"""An archive that is to be compiled: its methods, their sizes, and inputs to try them on."""

import contextlib
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_safetensors
from torch import Tensor

from torchship import _core
from torchship._archive import SAMPLES, read_manifest
from torchship.compiling.bridge import Range
from torchship.errors import ArchiveError, EngineError, SignatureError
from torchship.tracing.inputs import resized
from torchship.tracing.structure import Structure, flatten, rebuild

Json = dict[str, Any]
Dynamic = list[dict[int, Range]]


@dataclass(frozen=True)
class Call:
    """One call of a method: its tensors, and what is around them."""

    tensors: list[Tensor]
    structures: list[Structure]  # one for each argument

    @property
    def inputs(self) -> list[Any]:
        return [rebuild(each, self.tensors) for each in self.structures]

    @staticmethod
    def of(inputs: Sequence[Any], where: str) -> "Call":
        # As one list, so that tensors are numbered through.
        tensors, structure = flatten(list(inputs), where)
        return Call(tensors, list(structure.items))


@dataclass
class Method:
    """A method that is to be compiled."""

    name: str
    argument_names: list[str]
    call: Call  # an example
    dynamic: Dynamic  # one entry for each tensor of the call
    samples: list[Json] = field(default_factory=list)

    def ranges(self) -> dict[str, Range]:
        return {each.name: each for entry in self.dynamic for each in entry.values()}

    def sized(self, sizes: Mapping[str, int]) -> Call:
        """A call in which symbols have these sizes."""
        wanted = {
            (number, dimension): sizes[each.name]
            for number, entry in enumerate(self.dynamic)
            for dimension, each in entry.items()
            if each.name in sizes
        }
        if all(self.call.tensors[n].shape[d] == size for (n, d), size in wanted.items()):
            return self.call
        generator = torch.Generator().manual_seed(0)
        return Call(next(resized(self.call.tensors, wanted, generator)), self.call.structures)


class Subject:
    """Raises ArchiveError where the file is no TorchScript archive."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.info = _core.info(path)
        if self.info.format != "torchscript":
            raise ArchiveError(
                f"{path}: is {self.info.format}: only TorchScript archives can get engines",
                "compile the archive that torchship.trace(...).save(path) wrote",
            )
        self.manifest = read_manifest(path)

    @cached_property
    def module(self) -> torch.jit.ScriptModule:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` ", DeprecationWarning)
            return torch.jit.load(self.path, map_location="cpu").eval()

    @cached_property
    def sample_tensors(self) -> dict[str, Tensor]:
        with zipfile.ZipFile(self.path) as file:
            folder = file.namelist()[0].partition("/")[0] + "/"
            with contextlib.suppress(KeyError):
                return from_safetensors(file.read(folder + SAMPLES))
        return {}

    def samples_of(self, method: str) -> Iterator[Json]:
        return (each for each in self.manifest.get("samples", []) if each["method"] == method)

    def method(
        self, name: str, examples: Sequence[Any] | None, dynamic: Mapping[str, Any] | None
    ) -> Method:
        """Raises SignatureError where neither samples nor `examples` tell how it is called."""
        (info,) = (each for each in self.info.methods if each.name == name)
        names = [each.name for each in info.inputs]
        samples = list(self.samples_of(name))
        if examples is not None:
            call = Call.of(examples, f"examples of {name}")
        elif samples:
            call = Call.of(self._inputs(samples[0]), f"samples of {name}")
        else:
            call = Call.of([_made_up(self.path, name, each) for each in info.inputs], name)
        if len(call.structures) != len(names):
            raise SignatureError(
                f"{self.path}: {name} takes {len(names)} inputs {names}, got {len(call.structures)}"
            )
        method = Method(name, names, call, [{} for _ in call.tensors], samples)
        _add_sizes(method, self._promises(name) if dynamic is None else _declared(method, dynamic))
        return method

    def _inputs(self, sample: Json) -> list[Any]:
        return [_value(each, self.sample_tensors) for each in sample["inputs"]]

    def _promises(self, name: str) -> list[dict[int, Range]]:
        """The sizes that vary, by tensor, as the manifest has them."""
        for method in self.manifest.get("methods", []):
            if method["name"] == name:
                ranges = {
                    each["name"]: Range(
                        each["name"], max(each["min"], 1), each["max"], each["multiple_of"]
                    )
                    for each in method["dimensions"]
                }
                shapes = [shape for spec in method["inputs"] for shape in _shapes(spec)]
                return [
                    {d: ranges[size] for d, size in enumerate(shape) if isinstance(size, str)}
                    for shape in shapes
                ]
        return []


def _value(value: Json, tensors: Mapping[str, Tensor]) -> Any:
    """A value of the manifest around its tensors."""
    kind = value["kind"]
    if kind == "tensor":
        return tensors[value["ref"]]
    if kind in ("list", "tuple"):
        items = [_value(each, tensors) for each in value["items"]]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {key: _value(each, tensors) for key, each in value["entries"]}
    if kind == "float":
        return float(value["value"])
    return value.get("value")


def _shapes(spec: Json) -> Iterator[list[Any]]:
    """The shapes of a spec's tensors, in order."""
    if spec["kind"] == "tensor":
        yield spec["shape"]
    for item in spec.get("items", []):
        yield from _shapes(item)
    for _, item in spec.get("entries", []):
        yield from _shapes(item)


def _made_up(path: Path, method: str, spec: _core.ValueSpec) -> Any:
    """Values of the sizes that the file tells of an input."""
    if str(spec.kind) == "tensor" and spec.traced_dtype and spec.traced_shape is not None:
        dtype = getattr(torch, str(spec.traced_dtype).removeprefix("torch."))
        generator = torch.Generator().manual_seed(0)
        if not dtype.is_floating_point:
            return torch.zeros(spec.traced_shape, dtype=dtype)
        return torch.randn(spec.traced_shape, generator=generator).to(dtype)
    raise SignatureError(
        f"{path}: {method}: nothing tells the sizes of input '{spec.name}'",
        "give an example of the method's inputs (-i on the command line)",
    )


def _declared(method: Method, dynamic: Mapping[str, Any]) -> Dynamic:
    """The author's own sizes, `{"x": {0: "batch"}}`, for arguments that are tensors."""
    found: Dynamic = [{} for _ in method.call.tensors]
    for name, entries in dynamic.items():
        structure = dict(zip(method.argument_names, method.call.structures, strict=True)).get(name)
        if structure is None or structure.kind != "tensor":
            raise ValueError(f"dynamic: {method.name} has no input tensor {name!r}")
        for dimension, dim in dict(entries).items():
            least, most = getattr(dim, "min", None), getattr(dim, "max", None)
            label = dim if isinstance(dim, str) else dim.name
            found[structure.index][dimension] = Range(label, least or 1, most, 1)
    return found


def _add_sizes(method: Method, dynamic: Dynamic) -> None:
    if not dynamic:
        return
    if len(dynamic) != len(method.dynamic):
        raise EngineError(
            f"{method.name}: the manifest knows {len(dynamic)} tensors, the sample has "
            f"{len(method.dynamic)}"
        )
    method.dynamic = dynamic

