"""How the tests of the bridge make exported programs and compare them."""

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from r_torch import same
from safetensors.torch import load
from support import legacy
from torch import nn
from torchship.compiling.bridge import Exported, Range, exported
from torchship.tracing.structure import flatten, rebuild

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
            same(_without_nan(got), _without_nan(getattr(module, method)(*values)))
    return made


def _without_nan(value: Any) -> Any:
    """A mask that leaves nothing makes NaN, which is equal to none."""
    tensors, structure = flatten(value, "result")
    return rebuild(
        structure, [t.nan_to_num(12345.0) if t.is_floating_point() else t for t in tensors]
    )


def operators(made: Exported) -> list[str]:
    """The names of the operators of a program."""
    nodes = [node for node in made.program.graph.nodes if node.op == "call_function"]
    return [getattr(node.target, "__name__", str(node.target)) for node in nodes]


def _tensors_of(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if spec["kind"] == "tensor":
        yield spec
    for inner in [*spec.get("items", []), *(each for _, each in spec.get("entries", []))]:
        yield from _tensors_of(inner)


def archive(path: Path) -> Iterator[tuple[str, torch.jit.ScriptModule, list[Any], list[Any]]]:
    """Each method of an archive that torchship wrote: its name, the module, inputs of a golden
    sample, and what the manifest says of sizes."""
    files = {name: "" for name in ("torchship/manifest.json", "torchship/samples.safetensors")}
    module = legacy(torch.jit.load, str(path), _extra_files=files).eval()
    manifest = json.loads(files["torchship/manifest.json"])
    tensors = load(files["torchship/samples.safetensors"])
    for method in manifest["methods"]:
        sample = next(s for s in manifest["samples"] if s["method"] == method["name"])
        ranges = {
            each["name"]: Range(each["name"], each["min"], each["max"], each["multiple_of"])
            for each in method["dimensions"]
        }
        dynamic = [
            {i: ranges[size] for i, size in enumerate(tensor["shape"]) if size in ranges}
            for spec in method["inputs"]
            for tensor in _tensors_of(spec)
        ]
        values = [_value(each, tensors) for each in sample["inputs"]]
        yield method["name"], module, values, dynamic


def _value(value: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    if value["kind"] == "tensor":
        return tensors[value["ref"]]
    if value["kind"] == "dict":
        return {key: _value(each, tensors) for key, each in value["entries"]}
    if value["kind"] in ("list", "tuple"):
        items = [_value(each, tensors) for each in value["items"]]
        return items if value["kind"] == "list" else tuple(items)
    return value.get("value")
