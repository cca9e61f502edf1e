"""Archives with torchship's own records, made by hand from one that torch.jit.save wrote."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save as safetensors_bytes
from torch import Tensor

MANIFEST = "extra/torchship/manifest.json"
SAMPLES = "extra/torchship/samples.safetensors"
INTERMEDIATES = "extra/torchship/intermediates.safetensors"

Records = dict[str, bytes]


def read_records(path: Path) -> Records:
    """The records of an archive, by their names without the folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write_records(path: Path, records: Mapping[str, bytes], *, compress: bool = False) -> Path:
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in records.items():
            archive.writestr(f"archive/{name}", content)
    return path


def digests(records: Mapping[str, bytes]) -> dict[str, str]:
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in records.items()
        if name != MANIFEST
    }


def manifest(*methods: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A whole manifest but for the digests; `more` replaces or adds keys."""
    producer = {"torchship": "0.1.0", "torch": "2.13.0", "python": "3.11.2"}
    empty: dict[str, Any] = {"findings": [], "samples": [], "engines": [], "metadata": {}}
    return {"format": 1, "producer": producer, "methods": list(methods), **empty, **more}


def add_manifest(
    source: Path,
    target: Path,
    content: Mapping[str, Any],
    tensors: Mapping[str, Tensor] | None = None,
    *,
    intermediates: Mapping[str, Tensor] | None = None,
    change: Callable[[Records], None] = lambda records: None,
    compress: bool = False,
) -> Path:
    """Write `source` to `target` with a manifest whose digests are right.

    `tensors` and `intermediates` go into the two .safetensors records. `change` may do what it
    likes to the finished records. The tracer's own inputs are left out, as torchship does.
    """
    records = {
        name: record
        for name, record in read_records(source).items()
        if not name.startswith("traced_inputs")
    }
    for name, values in ((SAMPLES, tensors), (INTERMEDIATES, intermediates)):
        if values is not None:
            records[name] = safetensors_bytes(dict(values))
    whole = {"records": digests(records), **content}
    records[MANIFEST] = json.dumps(whole).encode()
    change(records)
    return write_records(target, records, compress=compress)


def tensor(name: str, dtype: str, shape: list, **more: Any) -> dict:
    """The spec of a tensor."""
    return {"name": name, "kind": "tensor", "dtype": dtype, "shape": shape, **more}


def dimension(name: str, smallest: int, largest: int | None, multiple_of: int = 1) -> dict:
    return {
        "name": name,
        "min": smallest,
        "max": largest,
        "multiple_of": multiple_of,
        "tried": [smallest],
    }


def method(inputs: list[dict], output: dict, dimensions: list[dict] = (), name="forward") -> dict:
    return {"name": name, "inputs": inputs, "output": output, "dimensions": list(dimensions)}


def sample(inputs: list[dict], output: dict, name: str = "forward") -> dict:
    return {"method": name, "origin": "synthetic", "inputs": inputs, "output": output}


def ref(name: str) -> dict:
    """The value that is a tensor of samples.safetensors."""
    return {"kind": "tensor", "ref": name}


def add_promises(
    source: Path,
    target: Path,
    methods: list[dict],
    samples: list[dict] = (),
    tensors: dict[str, Tensor] | None = None,
    recorded: list[tuple[int, int, str, str, Tensor]] | None = None,
) -> Path:
    """Write `source` to `target` with promises, samples, and recorded results of operators."""
    more: dict[str, Any] = {"samples": list(samples)}
    results = None
    if recorded is not None:
        values = [
            {"node": node, "output": output, "operator": operator, "ref": f"{node}.{output}"}
            for node, output, operator, _, _ in recorded
        ]
        more["intermediates"] = {"sample": 0, "values": values}
        results = {f"{node}.{output}": value.clone() for node, output, _, _, value in recorded}
    content = manifest(*methods, **more)
    return add_manifest(source, target, content, tensors or None, intermediates=results)
