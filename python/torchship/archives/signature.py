"""What a program that was made of a method takes and gives, as the manifest says it
(docs/archive-format.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.export import ExportedProgram

from torchship.archives.calls import Call, Dynamic, Json
from torchship.compiling.bridge import Range
from torchship.tracing.structure import Structure


def method_spec(
    name: str,
    argument_names: Sequence[str],
    call: Call,
    dynamic: Dynamic,
    output: Json,
    results: Sequence[Tensor],
    defaults: Mapping[str, Any],
) -> Json:
    """The method as the program computes it; `defaults` of its plain arguments, by name.

    `output` is a value whose tensors' "ref" are positions in `results`, of the example call.
    """
    symbols = {each.name: each for entry in dynamic for each in entry.values()}
    inputs = []
    for argument, structure in zip(argument_names, call.structures, strict=True):
        spec = {"name": argument, **_input(structure, call.tensors, dynamic)}
        if argument in defaults and spec.get("value") == defaults[argument]:
            spec["optional"] = True  # Left out, it is the same.
        inputs.append(spec)
    return {
        "name": name,
        "inputs": inputs,
        "output": _output(output, results),
        "dimensions": [_dimension(each) for each in symbols.values()],
    }


def _dimension(each: Range) -> Json:
    return {
        "name": each.name,
        "min": each.min,
        "max": each.max,
        "multiple_of": each.multiple_of,
        "tried": [],
    }


def _input(structure: Structure, tensors: Sequence[Tensor], dynamic: Dynamic) -> Json:
    if structure.kind == "tensor":
        tensor = tensors[structure.index]
        names = dynamic[structure.index]
        shape = [names[d].name if d in names else size for d, size in enumerate(tensor.shape)]
        return {"kind": "tensor", "dtype": _dtype(tensor), "shape": shape}
    if structure.kind == "none":
        return {"kind": "none"}
    if structure.kind in ("list", "tuple", "dict"):
        items = [_input(each, tensors, dynamic) for each in structure.items]
        if structure.kind == "dict":
            pairs = zip(structure.keys, items, strict=True)
            return {"kind": "dict", "entries": [list(pair) for pair in pairs]}
        return {"kind": structure.kind, "items": items}
    return {"kind": structure.kind, "value": structure.value}


def _output(value: Json, results: Sequence[Tensor]) -> Json:
    kind = value["kind"]
    if kind == "tensor":
        tensor = results[value["ref"]]
        return {"kind": "tensor", "dtype": _dtype(tensor), "shape": [None] * tensor.dim()}
    if kind in ("list", "tuple"):
        items = [_output(each, results) for each in value["items"]]
        names = {"names": value["names"]} if value.get("names") else {}
        return {"kind": kind, "items": items, **names}
    if kind == "dict":
        entries = [[key, _output(each, results)] for key, each in value["entries"]]
        return {"kind": "dict", "entries": entries}
    return {"kind": kind, "value": value["value"]} if "value" in value else {"kind": kind}


def computed_kinds(value: Json) -> list[str]:
    """The kinds of the numbers of a value that the program computes."""
    if "ref" in value:
        return [] if value["kind"] == "tensor" else [value["kind"]]
    return [kind for part in _parts(value) for kind in computed_kinds(part)]


def refs(value: Json) -> list[int]:
    """Positions of the tensors of a value, in the order of its leaves."""
    if "ref" in value:
        return [value["ref"]]
    return [ref for part in _parts(value) for ref in refs(part)]


def _parts(value: Json) -> list[Json]:
    return value.get("items", []) + [each for _, each in value.get("entries", [])]


def constant_results(program: ExportedProgram) -> list[int]:
    """Positions of results that no input goes into: compiled, they are the engine's own memory."""
    signature = program.graph_signature
    own = set(signature.user_inputs)
    depends: set[Any] = set()
    for node in program.graph.nodes:
        is_input = node.op == "placeholder" and node.name in own
        if is_input or any(each in depends for each in node.all_input_nodes):
            depends.add(node)
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    results = output.args[0]
    return [i for i, node in enumerate(results) if node not in depends]


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
