"""What a trace puts into its archive: the manifest and the golden samples."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from torchship.tracing.dimensions import Dimension
from torchship.tracing.examine import Examination
from torchship.tracing.findings import Report
from torchship.tracing.replay import Comparison
from torchship.tracing.structure import Structure, flatten

Json = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What the archive is to hold beside the trace."""

    samples: int
    keep_examples: bool
    record: str
    names: Mapping[str, Any]
    tolerance: Mapping[str, tuple[float, float]] | tuple[float, float] | None
    metadata: Mapping[str, str]


@dataclass
class Contents:
    """The manifest without its digests, and the tensors that it refers to."""

    manifest: Json
    samples: dict[str, Tensor] = field(default_factory=dict)
    first: tuple[str, tuple[Any, ...]] | None = None  # method and inputs of the first sample


def contents(
    examinations: Sequence[Examination], default_method: str, report: Report, options: Options
) -> Contents:
    """Everything of a trace that goes into the archive. Raises ValueError for unfit names."""
    made = Contents({})
    made.manifest = {
        **({"default_method": default_method} if default_method else {}),
        "methods": [_method(each, options) for each in examinations],
        "findings": [each.to_json() for each in report.findings],
        "metadata": dict(options.metadata),
    }
    chosen = [(each, one) for each in examinations for one in golden(each, options)]
    made.manifest["samples"] = [
        _sample(each, comparison, number, made.samples)
        for number, (each, comparison) in enumerate(chosen)
    ]
    if chosen:
        method = chosen[0][0].pair.method
        made.first = (method.name, method.arguments.rebuild(chosen[0][1].tensors))
    return made


def intermediates(made: Contents, archive: Path) -> dict[str, Tensor]:
    """Every operator's result for the first sample, by running the archive itself.

    The manifest then says where each belongs. Raises ValueError when there is no sample.
    """
    from torchship._core import Model

    if made.first is None:
        raise ValueError("record='all' needs a sample, and this trace has none")
    method, inputs = made.first
    results = Model(archive)._intermediates(method, list(inputs))
    values, tensors = [], {}
    for number, (node, output, operator, _, tensor) in enumerate(results):
        place = {"node": node, "output": output, "operator": operator, "ref": str(number)}
        values.append(place)
        tensors[str(number)] = tensor.detach().cpu().contiguous().clone()
    made.manifest["intermediates"] = {"sample": 0, "values": values}
    return tensors


def golden(examination: Examination, options: Options) -> list[Comparison]:
    """The comparisons that become samples: ones of new values first, then of new sizes."""
    if any(each.code in ("random", "train-mode") for each in examination.findings):
        return []  # no two runs would agree
    ranges = {each.name: each for each in examination.dimensions}
    fitting = [
        each
        for each in examination.comparisons
        if not each.refused and not each.differs and _is_inside(each, ranges, examination.sizes)
    ]
    own = [each for each in fitting if each.inputs == "the example"]
    fresh = [each for each in fitting if each.is_synthetic]
    chosen = _spread(fresh, options.samples)
    return (own if options.keep_examples else []) + chosen


def _spread(comparisons: Sequence[Comparison], count: int) -> list[Comparison]:
    """Some of them: the first of each kind, values and sizes in turn."""
    values = [each for each in comparisons if not each.sizes_changed]
    sizes = [each for each in comparisons if each.sizes_changed]
    turns = [each for pair in zip(values, sizes, strict=False) for each in pair]
    rest = [each for each in comparisons if not any(each is one for one in turns)]
    return (turns + rest)[:count]


def _is_inside(
    comparison: Comparison, ranges: Mapping[str, Dimension], own: Mapping[str, int]
) -> bool:
    """Whether the sizes are ones that the manifest allows: all that vary, within their ranges."""
    for name, size in comparison.sizes.items():
        known = ranges.get(name)
        if known is None:
            if own[name] != size:
                return False
        elif size < known.min or (known.max is not None and size > known.max):
            return False
    return True


# Methods.


def _method(examination: Examination, options: Options) -> Json:
    method = examination.pair.method
    symbols = {member: each.name for each in examination.dimensions for member in each.members}
    names = _input_names(method.name, method.arguments.names, options)
    inputs = [
        {"name": name, **_spec(structure, _InputLeaf(method.arguments.tensors, symbols))}
        for name, structure in zip(names, method.arguments.structures, strict=True)
    ]
    return {
        "name": method.name,
        "inputs": inputs,
        "output": {**_output(examination, options), **_output_name(method.output, options)},
        "dimensions": [each.to_json() for each in examination.dimensions],
    }


def _input_names(method: str, own: Sequence[str], options: Options) -> Sequence[str]:
    wanted = options.names.get("inputs")
    if wanted is None:
        return own
    if len(wanted) != len(own) or len(set(wanted)) != len(wanted):
        raise ValueError(f"names: {method} takes {len(own)} inputs {tuple(own)}, got {wanted!r}")
    return list(wanted)


def _output_name(output: Structure, options: Options) -> Json:
    names = options.names.get("outputs") or ()
    return {"name": names[0]} if len(names) == 1 and not output.type_name else {}


class _InputLeaf:
    """Describes the tensors of the examples."""

    def __init__(self, tensors: Sequence[Tensor], symbols: Mapping[tuple[int, int], str]) -> None:
        self._tensors = tensors
        self._symbols = symbols

    def __call__(self, structure: Structure, path: str) -> Json:
        tensor = self._tensors[structure.index]
        sizes = enumerate(tensor.shape)
        shape = [self._symbols.get((structure.index, d), size) for d, size in sizes]
        return {**_tensor(tensor), "shape": shape}


class _OutputLeaf:
    """Describes the tensors of the results, by how their sizes went with those of the inputs."""

    def __init__(self, runs: list[tuple[list[Tensor], dict[str, int]]], options: Options) -> None:
        self._runs = runs
        self._options = options

    def __call__(self, structure: Structure, path: str) -> Json:
        tensors = [tensors[structure.index] for tensors, _ in self._runs]
        shape = [self._size(d, tensors) for d in range(tensors[0].dim())]
        return {**_tensor(tensors[0]), "shape": shape, **self._tolerance(path)}

    def _size(self, dimension: int, tensors: Sequence[Tensor]) -> int | str | None:
        if any(tensor.dim() != tensors[0].dim() for tensor in tensors):
            return None
        sizes = [tensor.shape[dimension] for tensor in tensors]
        symbols = [name for name in self._runs[0][1] if self._follows(name, sizes)]
        if symbols:
            return symbols[0]
        return sizes[0] if all(size == sizes[0] for size in sizes) else None

    def _follows(self, name: str, sizes: Sequence[int]) -> bool:
        asked = [named[name] for _, named in self._runs]
        return len(set(asked)) > 1 and asked == list(sizes)

    def _tolerance(self, path: str) -> Json:
        given = self._options.tolerance
        if isinstance(given, Mapping):
            given = given.get(path or "output")
        if given is None:
            return {}
        absolute, relative = map(float, given)
        if not all(math.isfinite(each) and each >= 0 for each in (absolute, relative)):
            raise ValueError(
                f"tolerance of {path or 'output'}: {given!r} is no (absolute, relative)"
            )
        return {"tolerance": {"absolute": absolute, "relative": relative}}


def _output(examination: Examination, options: Options) -> Json:
    runs = []
    structures = []
    for each in examination.comparisons:
        if not each.refused and not each.differs:
            tensors, structure = flatten(each.eager.result, "the result")
            kept = {d.name: each.sizes[d.name] for d in examination.dimensions}
            runs.append((tensors, kept))
            structures.append(structure)
    if not structures:
        return {"kind": "any"}
    same = all(_shape_of(each) == _shape_of(structures[0]) for each in structures)
    if not same:
        return {"kind": "any"}
    whole = _constant_parts(structures)
    own = examination.pair.method.output
    if own.type_name and not whole.type_name:
        whole = replace(whole, keys=own.keys, type_name=own.type_name)
    return _spec(whole, _OutputLeaf(runs, options))


def _shape_of(structure: Structure) -> Any:
    items = tuple(_shape_of(item) for item in structure.items)
    return (structure.kind, structure.keys, items)


def _constant_parts(structures: Sequence[Structure]) -> Structure:
    """The common structure; numbers that were not always the same are not constants."""
    first = structures[0]
    items = tuple(map(_constant_parts, zip(*(each.items for each in structures), strict=True)))
    is_constant = all(each.value == first.value for each in structures)
    return replace(first, items=items, value=first.value if is_constant else None)


def _tensor(tensor: Tensor) -> Json:
    return {
        "kind": "tensor",
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "device": tensor.device.type,
    }


def _spec(structure: Structure, leaf: Any, path: str = "") -> Json:
    """A spec as docs/archive-format.md has it."""
    if structure.kind == "tensor":
        return leaf(structure, path)
    if structure.kind == "none":
        return {"kind": "none"}
    if structure.kind in ("str", "int", "float", "bool"):
        value = {} if structure.value is None else {"value": _number(structure.value)}
        return {"kind": structure.kind, **value}
    names = structure.keys or range(len(structure.items))
    items = [
        _spec(item, leaf, f"{path}.{name}" if path else str(name))
        for name, item in zip(names, structure.items, strict=True)
    ]
    if structure.kind == "dict":
        return {"kind": "dict", "entries": [list(each) for each in zip(names, items, strict=True)]}
    fields = {"names": list(structure.keys)} if structure.type_name else {}
    return {"kind": structure.kind, "items": items, **fields}


def _number(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


# Samples.


def _sample(
    examination: Examination, comparison: Comparison, number: int, tensors: dict[str, Tensor]
) -> Json:
    """A sample, whose tensors are added to the file's."""
    method = examination.pair.method
    inputs = comparison.tensors
    result, structure = flatten(comparison.eager.result, "the result")
    stored = dict(_stored(f"{number}/in", inputs)) | dict(_stored(f"{number}/out", result))
    tensors |= stored
    return {
        "method": method.name,
        "origin": "synthetic" if comparison.is_synthetic else "example",
        "inputs": [_value(each, f"{number}/in") for each in method.arguments.structures],
        "output": _value(structure, f"{number}/out"),
    }


def sample_json(
    method: str, inputs: Sequence[Any], result: Any, prefix: str, origin: str
) -> tuple[Json, dict[str, Tensor]]:
    """A sample of any method, and the tensors that it refers to."""
    tensors, structure = flatten(list(inputs), f"inputs of {method}")
    made, made_structure = flatten(result, f"the result of {method}")
    sample = {
        "method": method,
        "origin": origin,
        "inputs": [_value(each, f"{prefix}/in") for each in structure.items],
        "output": _value(made_structure, f"{prefix}/out"),
    }
    return sample, dict(_stored(f"{prefix}/in", tensors)) | dict(_stored(f"{prefix}/out", made))


def _stored(prefix: str, tensors: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
    for i, tensor in enumerate(tensors):
        # A clone: no two tensors of the file may share memory.
        yield f"{prefix}/{i}", tensor.detach().cpu().contiguous().clone()


def _value(structure: Structure, prefix: str) -> Json:
    if structure.kind == "tensor":
        return {"kind": "tensor", "ref": f"{prefix}/{structure.index}"}
    if structure.kind == "none":
        return {"kind": "none"}
    if structure.kind in ("str", "int", "float", "bool"):
        return {"kind": structure.kind, "value": _number(structure.value)}
    items = [_value(item, prefix) for item in structure.items]
    if structure.kind == "dict":
        entries = [list(each) for each in zip(structure.keys, items, strict=True)]
        return {"kind": "dict", "entries": entries}
    return {"kind": structure.kind, "items": items}
