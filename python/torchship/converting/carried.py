"""What goes along when a file is converted: manifest, samples, engines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from torchship._archive import PLACES, extract
from torchship.archives.calls import Call, Json, Method
from torchship.archives.subject import Subject
from torchship.compiling.bridge import Range
from torchship.compiling.bridge.sizes import fits
from torchship.converting.checking import Source
from torchship.tracing.inputs import resized
from torchship.tracing.manifest import sample_json

# Written anew; and what belongs to the operators of the graph that the source had.
_LEFT = ("format", "producer", "records", "intermediates")


@dataclass
class Carried:
    """The manifest of the converted file, and the tensors and files that it names."""

    manifest: Json
    samples: dict[str, Tensor]
    engines: dict[str, str] = field(default_factory=dict)  # the source's record, by the target's

    def files(self, subject: Subject, folder: Path) -> dict[str, Path]:
        return {new: extract(subject.path, old, folder) for new, old in self.engines.items()}


def whole(subject: Subject, target_format: str) -> Carried:
    """All that the source's manifest has."""
    manifest = {key: each for key, each in subject.manifest.items() if key not in _LEFT}
    carried = Carried(manifest, dict(subject.sample_tensors))
    _add_engines(carried, manifest.get("engines", []), target_format)
    return carried


def one_method(
    subject: Subject,
    method: Method,
    numbers: Sequence[int],
    supported: Mapping[str, Range | int],
    target_format: str,
) -> Carried:
    """What belongs to one method, which is to be called forward and takes these sizes; of its
    samples those with these numbers."""
    manifest = {key: each for key, each in subject.manifest.items() if key not in _LEFT}
    manifest["default_method"] = "forward"
    manifest["methods"] = [
        narrowed({**each, "name": "forward"}, supported)
        for each in manifest.get("methods", [])
        if each["name"] == method.name
    ]
    chosen = [method.samples[i] for i in numbers]
    manifest["samples"] = [{**each, "method": "forward"} for each in chosen]
    manifest["findings"] = [
        {**each, "method": "forward"} if each.get("method") else each
        for each in manifest.get("findings", [])
        if each.get("method", "") in ("", method.name)
    ]
    used = {ref for each in chosen for ref in _refs([*each["inputs"], each["output"]])}
    tensors = {name: each for name, each in subject.sample_tensors.items() if name in used}
    carried = Carried(manifest, tensors)
    engines = [e for e in manifest.get("engines", []) if e["method"]["name"] == method.name]
    own = [{**each, "method": {**each["method"], "name": "forward"}} for each in engines]
    _add_engines(carried, own, target_format)
    return carried


def _add_engines(carried: Carried, engines: Sequence[Json], target_format: str) -> None:
    places = PLACES[target_format]
    moved = [{**each, "record": f"{places.engines}{each['id']}.pt2"} for each in engines]
    pairs = zip(moved, engines, strict=True)
    carried.engines = {new["record"]: old["record"] for new, old in pairs}
    carried.manifest["engines"] = moved


def _refs(values: Sequence[Json]) -> Iterator[str]:
    for value in values:
        if "ref" in value:
            yield value["ref"]
        yield from _refs(value.get("items", []))
        yield from _refs([each for _, each in value.get("entries", [])])


def narrowed(method: Json, supported: Mapping[str, Range | int]) -> Json:
    """A method of the manifest with the sizes that are left of those that it had."""
    names = {name: _left(name, supported) for name in (d["name"] for d in method["dimensions"])}
    dimensions = [
        _dimension(each, supported.get(each["name"]))
        for each in method["dimensions"]
        if names[each["name"]] == each["name"]
    ]
    return {
        **method,
        "inputs": [_with_sizes(each, names) for each in method["inputs"]],
        "output": _with_sizes(method["output"], names),
        "dimensions": dimensions,
    }


def _left(name: str, supported: Mapping[str, Range | int]) -> str | int:
    """What is in the place of a size: its own name, another's, or a number."""
    found = supported.get(name)
    if isinstance(found, Range):
        return found.name
    return name if found is None else found


def _dimension(each: Json, now: Range | int | None) -> Json:
    if not isinstance(now, Range):
        return each
    low = max(each["min"], now.min)
    limits = {"min": low, "max": now.max, "multiple_of": now.multiple_of}
    tried = [size for size in each["tried"] if size >= low and size in now]
    return {**each, **limits, "tried": tried}


def _with_sizes(spec: Json, names: Mapping[str, str | int]) -> Json:
    made = dict(spec)
    if "shape" in made:
        made["shape"] = [names.get(s, s) if isinstance(s, str) else s for s in made["shape"]]
    if "items" in made:
        made["items"] = [_with_sizes(each, names) for each in made["items"]]
    if "entries" in made:
        made["entries"] = [[key, _with_sizes(each, names)] for key, each in made["entries"]]
    return made


def fitting_samples(
    subject: Subject, method: Method, supported: Mapping[str, Range | int]
) -> list[int]:
    """The numbers of the samples that have the sizes supported, and the example's constants."""
    found = []
    for i, sample in enumerate(method.samples):
        call = Call.of(subject.inputs_of(sample), method.name)
        if call.structures == method.call.structures and _fits(call, method, supported):
            found.append(i)
    return found


def _fits(call: Call, method: Method, supported: Mapping[str, Range | int]) -> bool:
    rows = zip(call.tensors, method.call.tensors, method.dynamic, strict=True)
    for tensor, example, entry in rows:
        for dimension, size in enumerate(tensor.shape):
            varies = dimension in entry
            allowed = supported[entry[dimension].name] if varies else example.shape[dimension]
            if not fits(allowed, size):
                return False
    return True


def add_sample(carried: Carried, method: Method, source: Source, keep_examples: bool) -> None:
    """A sample where there is none: the source's result on inputs like the example's, or on the
    example itself if it is to be kept."""
    call, origin = method.call, method.origin
    if origin == "example" and not keep_examples:
        call, origin = _like(method, source), "synthetic"
    if call is None:
        return
    result, is_stable = source.first_result(call)
    if is_stable:
        sample, tensors = sample_json("forward", call.inputs, result, "0", origin)
        carried.manifest["samples"] = [sample]
        carried.samples |= tensors


def _like(method: Method, source: Source) -> Call | None:
    """The example with other values, which the source takes."""
    random = torch.Generator().manual_seed(0)
    # The last form has values of the example.
    for tensors in islice(resized(method.call.tensors, {}, random), 2):
        call = Call(tensors, method.call.structures)
        if source.takes(call):
            return call
    return None
